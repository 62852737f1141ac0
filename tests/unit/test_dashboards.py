"""Dashboards are whole: each place, name and query in them is one that Grafana and Prometheus take."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from dashboards.parts import links as links_of
from dashboards.services import service_board
from dashboards.stores import STORES
from tests.e2e.queries import asking, fill, metric, of_dashboard, program, selectors
from tests.unit.load import ROOT, load_script

script = load_script("grafana_dashboards")
FILES = sorted(script.FOLDER.glob("*.json"))
CATALOGUE: dict[str, Any] = yaml.safe_load(script.CATALOGUE.read_text())["services"]


def panels(file: Path) -> list[dict[str, Any]]:
    return list(json.loads(file.read_text())["panels"])


def links(file: Path) -> list[dict[str, Any]]:
    """Return the links of a dashboard's panels."""
    return [
        link
        for panel in panels(file)
        if panel["type"] != "row"
        for link in panel["fieldConfig"]["defaults"].get("links", [])
    ]


def panes(link: dict[str, Any]) -> dict[str, Any]:
    """Return what Explore is asked by a link."""
    assert link["url"].startswith("/explore?")
    asked = parse_qs(link["url"].partition("?")[2], strict_parsing=True)
    assert (asked["schemaVersion"], asked["orgId"]) == (["1"], ["1"])
    return dict(json.loads(asked["panes"][0]))


def test_every_service_and_store_has_a_dashboard() -> None:
    names = {file.stem for file in FILES}
    assert {f"service-{service}" for service in CATALOGUE} | {f"store-{store}" for store in STORES} <= names


def test_addresses_are_not_taken_twice_and_not_too_long() -> None:
    uids = Counter(json.loads(file.read_text())["uid"] for file in FILES)
    assert set(uids.values()) == {1}
    assert max(map(len, uids)) <= 40


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_have_a_title_a_source_and_a_place_of_their_own(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(file):
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & taken, panel["title"]
        assert max(x for x, _ in covered) < 24, panel["title"]
        taken |= covered
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["targets"], panel["title"]
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {"prometheus"}
    numbers = Counter(panel["id"] for panel in panels(file))
    assert set(numbers.values()) == {1}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_lead_to_logs_and_traces_of_the_time_on_the_screen(file: Path) -> None:
    for link in links(file):
        ((pane,),) = [panes(link).values()]
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        (query,) = pane["queries"]
        assert query["datasource"]["uid"] == pane["datasource"]
        # Whatever comes into the address later is a label of the series, which the legend shows.
        assert set(re.findall(r"\$\{([^}]+)\}", link["url"])) <= {
            *("__from", "__to"),
            *(f"__field.labels.{label}" for label in ("host", "zone", "service", "proxy")),
        }
    service = file.stem.removeprefix("service-")
    if service in CATALOGUE:
        asked = [pane["queries"][0] for link in links(file) for pane in panes(link).values()]
        of_logs = {query["query"].partition(" AND ")[0] for query in asked if "query" in query}
        of_traces = {query["service"] for query in asked if "service" in query}
        assert (of_logs, of_traces) == ({f"service:({service})"}, {service})
        assert all(
            panel["fieldConfig"]["defaults"]["links"] for panel in panels(file) if panel["type"] != "row"
        )


def test_a_link_narrows_to_the_host_that_every_series_names() -> None:
    def query(*legends: str) -> list[Any]:
        made = links_of(legends, "service:(etcd)", "")
        return [panes(link.to_json())["A"]["queries"][0].get("query") for link in made]

    host = 'host:"${__field.labels.host}"'
    assert query("{{host}} used", "{{host}}") == [f"service:(etcd) AND {host}"]
    assert query("{{host}}", "all") == ["service:(etcd)"]
    assert query("{{service}} on {{host}}") == [f'service:"${{__field.labels.service}}" AND {host}', None]
    assert links_of(["all"], "", "") == []


def test_every_query_is_one_that_prometheus_reads(tmp_path: Path) -> None:
    expressions = [expression for file in FILES for expression in of_dashboard(file)]
    rules = [{"record": f"query:{n}", "expr": each.text} for n, each in enumerate(expressions)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    promtool = load_script("alert_rules").program("promtool")
    said = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "queries.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_further_service_has_a_dashboard_by_its_entry() -> None:
    entry = yaml.safe_load((ROOT / "tests/fixtures/fourth_service/entry.yml").read_text())["greeting"]
    made = service_board("greeting", entry)
    titles = [panel.title for panel in made.panels or []]
    assert made.uid == "alicerce-service-greeting"
    assert {"Objectives", "Rate", "Errors", "Duration", "Saturation"} <= set(titles)
    assert "Events" not in titles


def test_the_check_names_what_is_stale_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    (tmp_path / "forgotten.json").write_text("{}")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["grafana_dashboards", *arguments])
        return int(script.main())

    assert run("--check") == 1
    said = capsys.readouterr().err
    assert "edge.json is not what the code makes" in said
    assert "forgotten.json is not what the code makes" in said
    assert run() == 0
    assert run("--check") == 0
    assert not (tmp_path / "forgotten.json").exists()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("up == 0", ["up"]),
        ('up{job="node"} == 1 unless on (host) other{a="}"}', ['up{job="node"}', 'other{a="}"}']),
        (
            "sum by (a, b) (rate(x_total[5m])) / on (a) group_left (c) max without (d) (y) > bool 1e3",
            ["x_total", "y"],
        ),
        ("(sum(up) or vector(0)) <= 1.5", ["up"]),
        ("max_over_time(a:b:c[1h] offset 5m) and time() - z < 5 * 60", ["a:b:c", "z"]),
        ('{__name__=~"a|b",job="c"} == 0', ['{__name__=~"a|b",job="c"}']),
        ('label_replace(up, "a", "$1", "b", "(.*)") ', ["up"]),
        ("histogram_quantile(0.9, sum by (le) (rate(x_bucket{a='b'}[5m:1m])))", ["x_bucket{a='b'}"]),
    ],
)
def test_selectors_of_an_expression_are_found(text: str, found: list[str]) -> None:
    assert selectors(text) == found


def test_a_selector_has_the_name_of_its_metric() -> None:
    assert [metric(each) for each in ("up", 'up{a="b"}', '{__name__="up"}')] == ["up"] * 3


def test_variables_become_patterns_and_an_unknown_one_is_a_mistake() -> None:
    filled = fill('rate(x{zone=~"$zone",zone_name=~"${zone_name}"}[$__rate_interval])', ["zone", "zone_name"])
    assert filled == 'rate(x{zone=~".+",zone_name=~".+"}[5m])'
    with pytest.raises(ValueError, match="a variable that nothing sets"):
        fill('x{host="$host"}', ["zone"])


def test_the_programs_for_a_host_are_python() -> None:
    compile(program(["up", 'x{a="b"}'], patience=1), "program", "exec")
    compile(asking("/_search", server="a:1", body={"b": [True, "'"]}, login="c:d'"), "program", "exec")
