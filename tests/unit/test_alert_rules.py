"""The check of the alerts sees each way in which an alert, a case or a runbook may be wanting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.load import load_script

script = load_script("alert_rules")

RUNBOOK = "# Down\n\n## What it means\nIt is down.\n\n## How to see it\nLook.\n\n## What to do\nStart it.\n"


def rule(**change: Any) -> dict[str, Any]:
    return {
        "alert": "Down",
        "expr": "up == 0",
        "labels": {"severity": "page", "service": "auth"},
        "annotations": {"summary": "The service is down.", "runbook": "docs/runbooks/alerts/Down.md"},
        **change,
    }


def case(**change: Any) -> dict[str, Any]:
    return {
        "alert": "Down",
        "severity": "page",
        "fires": {"at": "1m", "series": {"up": "0+0x9"}, "summary": "The service is down."},
        "quiet": {"at": "1m", "series": {"up": "1+0x9"}},
        **change,
    }


def found(
    rules: list[dict[str, Any]], cases: list[dict[str, Any]], runbooks: dict[str, str] | None = None
) -> list[str]:
    alerts = [script.Alert(each) for each in rules]
    return list(script.faults(alerts, cases, {"Down": RUNBOOK} if runbooks is None else runbooks))


def test_a_whole_alert_has_no_fault() -> None:
    assert found([rule()], [case()]) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"labels": {"service": "auth"}}, "its severity is missing, not page or ticket"),
        ({"labels": {"severity": "critical"}}, "its severity is critical, not page or ticket"),
        ({"labels": {"severity": "none"}}, "its severity is none, not page or ticket"),
        ({"annotations": {"runbook": "docs/runbooks/alerts/Down.md"}}, "it has no summary"),
        (
            {"annotations": {"summary": "down", "runbook": "docs/runbooks/alerts/Down.md"}},
            "its summary is no sentence",
        ),
        ({"annotations": {"summary": "The service is down."}}, "runbook is not the address of its runbook"),
        ({"labels": {"severity": "ticket"}}, "no case in tests/alerts/cases tests it"),
    ],
)
def test_what_an_alert_lacks_is_named(change: dict[str, Any], fault: str) -> None:
    faults = found([rule(**change)], [case()])
    assert any(fault in line for line in faults), faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"alert": "Up"}, "case Up (page): there is no such alert"),
        ({"severity": "ticket"}, "case Down (ticket): there is no such alert"),
        ({"where": {"service": "users"}}, "case Down (page): there is no such alert"),
        ({"quiet": {}}, "it does not say when it is quiet"),
        ({"quiet": case()["fires"]}, "it is to be quiet in the very situation in which it fires"),
        ({"fires": {"at": "1m"}}, "it does not say when it fires"),
    ],
)
def test_what_a_case_lacks_is_named(change: dict[str, Any], fault: str) -> None:
    faults = found([rule()], [case(**change)])
    assert any(fault in line for line in faults), faults


@pytest.mark.parametrize(
    ("runbooks", "fault"),
    [
        ({}, "Down: there is no runbook docs/runbooks/alerts/Down.md"),
        ({"Down": RUNBOOK.replace("## What to do", "## Later")}, "its runbook has no part '## What to do'"),
        ({"Down": RUNBOOK, "Up": RUNBOOK}, "docs/runbooks/alerts/Up.md: no alert is called so"),
    ],
)
def test_what_a_runbook_lacks_is_named(runbooks: dict[str, str], fault: str) -> None:
    faults = found([rule()], [case()], runbooks)
    assert any(fault in line for line in faults), faults


def test_only_the_watchdog_calls_nobody_and_is_never_quiet() -> None:
    watchdog = rule(
        alert="Watchdog",
        labels={"severity": "none"},
        annotations={"summary": "Alerts reach you.", "runbook": "docs/runbooks/alerts/Watchdog.md"},
    )
    its_case = case(alert="Watchdog", severity="none", quiet={})
    assert found([watchdog], [its_case], {"Watchdog": RUNBOOK}) == []
    faults = found([{**watchdog, "labels": {"severity": "page"}}], [its_case], {"Watchdog": RUNBOOK})
    assert any("its severity is page, not none" in line for line in faults)


def test_a_rule_that_is_made_for_each_service_needs_a_case_for_each() -> None:
    rules = [rule(labels={"severity": "page", "service": service}) for service in ("auth", "users")]
    assert found(rules, [case()]) == []
    assert found(rules, [case(where={"service": "auth"})]) == [
        "Down (service=users, severity=page): no case in tests/alerts/cases tests it"
    ]


def test_a_case_is_filled_with_the_rules_own_labels_and_asks_for_all_of_them() -> None:
    one = case(
        fires={
            "at": "1m",
            "series": {'up{service="$service"}': "0+0x9"},
            "labels": {"host": "node-a"},
            "summary": "$service is down.",
        }
    )
    made = script.unit_test(script.Alert(rule()), one, "rules.yml")
    fires, quiet = made["tests"]
    assert fires["input_series"] == [{"series": 'up{service="auth"}', "values": "0+0x9"}]
    assert fires["alert_rule_test"][0]["exp_alerts"] == [
        {
            "exp_labels": {"severity": "page", "service": "auth", "host": "node-a"},
            "exp_annotations": {"summary": "auth is down.", "runbook": "docs/runbooks/alerts/Down.md"},
        }
    ]
    assert quiet["alert_rule_test"][0]["exp_alerts"] == []


def test_an_alert_is_tested_with_the_recording_rules_that_may_concern_it() -> None:
    records = [{"record": "r", "expr": "1", "labels": {"service": service}} for service in ("auth", "users")]
    (alert,) = script.read_alerts({"groups": [{"rules": records}, {"rules": [rule()]}]})
    assert alert.records == (records[0],)


def test_a_service_has_its_own_objectives_by_the_catalogue(tmp_path: Path) -> None:
    services = yaml.safe_load((script.ROOT / "group_vars/all/services.yml").read_text())
    services["services"]["auth"]["slo"] = {"availability": 99.5, "latency_seconds": 3}
    (tmp_path / "hosts.yml").symlink_to(script.ROOT / "inventories/lab/hosts.yml")
    (tmp_path / "group_vars/platform").mkdir(parents=True)
    (tmp_path / "group_vars/platform/catalogue.yml").write_text(yaml.safe_dump(services))
    assert script.render(str(tmp_path), tmp_path)
    rules = yaml.safe_load((tmp_path / "availability.yml").read_text())
    burning = {
        (alert.labels["service"], "(1 - 99.5 / 100)" in alert.rule["expr"])
        for alert in script.read_alerts(rules)
        if alert.name == "AvailabilityBudgetBurning"
    }
    assert burning == {("auth", True), ("users", False), ("enrichment", False), ("edge", False)}
    assert list(script.unknown_bounds(rules, script.METRICS.read_text())) == [
        "objective of auth: latency_seconds is 3.0, which is none of the bounds "
        "0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0 (app/common/src/alicerce_common/metrics.py)"
    ]
