"""Tags of site.yml: each deploys its plays, as docs/ansible.md says, and all of them are documented."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.unit.load import ROOT

DEPLOYS = {
    "base": ["Prepare the hosts"],
    "certificates": ["Give the hosts their certificates"],
    "node_exporter": ["Deploy the node exporter"],
    "backup": [
        "Deploy the host that keeps the backups",
        "Back up RabbitMQ's definitions",
        "Back up MongoDB",
    ],
    "etcd": ["Deploy etcd"],
    "postgresql": ["Deploy PostgreSQL"],
    "rabbitmq": ["Deploy RabbitMQ", "Back up RabbitMQ's definitions"],
    "mongodb": ["Deploy MongoDB", "Back up MongoDB"],
    "redis": ["Deploy Redis"],
    "flask_service": ["Deploy the services"],
    "frontend": ["Deploy the frontend"],
    "edge": ["Deploy the edge"],
    "elasticsearch": ["Deploy Elasticsearch"],
    "exporters": ["Deploy the exporters of stores, frontend, edge and Jaeger"],
    "jaeger": ["Deploy Jaeger"],
    "rsyslog": ["Ship the log"],
    "logstash": ["Deploy Logstash"],
    "kibana": ["Deploy Kibana"],
    "logs": ["Deploy Logstash", "Ship the log", "Deploy Kibana"],
    "alertmanager": ["Deploy Prometheus and the Alertmanager"],
    "prometheus": [
        "Deploy the node exporter",
        "Deploy the exporters of stores, frontend, edge and Jaeger",
        "Deploy Prometheus and the Alertmanager",
    ],
    "grafana": ["Deploy Grafana"],
}
ROLES = {"waf": "edge", "haproxy": "edge", "virtual_ip": "edge"}
SITE: list[dict[str, Any]] = yaml.safe_load((ROOT / "site.yml").read_text())
RESTARTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "playbooks/restart_marked.yml").read_text())


@pytest.mark.parametrize("tag", sorted(DEPLOYS))
def test_a_tag_deploys_its_plays(tag: str) -> None:
    assert [play["name"] for play in SITE if tag in play.get("tags", [])] == DEPLOYS[tag]


def test_there_are_no_other_tags() -> None:
    assert {tag for play in SITE for tag in play.get("tags", [])} == set(DEPLOYS)
    tagged = {role["role"]: role["tags"] for play in SITE for role in play.get("roles", []) if "tags" in role}
    assert tagged == {role: [role] for role in ROLES}


def test_a_member_that_waits_for_its_restart_is_found_by_its_own_tag() -> None:
    found = {play["vars"]["restart_component"]: play["tags"] for play in RESTARTS if "vars" in play}
    assert set(found) == {"etcd", "postgresql", "rabbitmq", "mongodb", "redis", "elasticsearch", *ROLES}
    for component, tags in found.items():
        assert {component, "certificates"} <= set(tags)
        assert ROLES.get(component, component) in tags


def test_each_is_documented() -> None:
    table = (ROOT / "docs/ansible.md").read_text().partition("| tag |")[2].partition("\n\n")[0]
    named = {
        tag
        for row in table.splitlines()
        for tag in re.findall(r"`(\w+)`", row.split("|")[1:2][0] if "|" in row else "")
    }
    assert named == {*DEPLOYS, *ROLES}
