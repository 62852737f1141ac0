"""Grafana's configuration is what its documentation describes, as far as that can be seen without the program."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml

from tests.unit.load import ROOT
from tests.unit.render import render
from tests.unit.test_dashboards import links, panes

BOOLEAN, NUMBER, TEXT = r"true|false", r"\d+", r"[^\s#;].*"
PATH, FILE = r"/\S+", r"\$__file\{/\S+\}"
SETTINGS = {
    "paths": {"data": PATH, "logs": PATH, "plugins": PATH, "provisioning": PATH},
    "server": {
        "protocol": r"https?|h2|socket",
        "http_addr": r"[0-9a-f.:]+",
        "http_port": NUMBER,
        "domain": r"[\w.-]+",
        "root_url": r"https://%\(domain\)s:%\(http_port\)s/",
        "min_tls_version": r"TLS1\.[23]",
        "cert_file": PATH,
        "cert_key": PATH,
    },
    "security": {
        "admin_user": TEXT,
        "admin_password": FILE,
        "admin_email": r"\S+@\S+",
        "secret_key": FILE,
        "cookie_secure": BOOLEAN,
        "strict_transport_security": BOOLEAN,
        "disable_gravatar": BOOLEAN,
    },
    "users": {"allow_sign_up": BOOLEAN, "allow_org_create": BOOLEAN},
    "auth.anonymous": {"enabled": BOOLEAN},
    "dashboards": {"default_home_dashboard_path": PATH},
    "unified_alerting": {"enabled": BOOLEAN},
    "snapshots": {"external_enabled": BOOLEAN},
    "analytics": {
        "reporting_enabled": BOOLEAN,
        "check_for_updates": BOOLEAN,
        "check_for_plugin_updates": BOOLEAN,
        "feedback_links_enabled": BOOLEAN,
    },
    "news": {"news_feed_enabled": BOOLEAN},
    "plugins": {"plugin_admin_enabled": BOOLEAN},
    "metrics": {"enabled": BOOLEAN, "disable_total_stats": BOOLEAN},
    "log": {"mode": r"console|file|syslog"},
    "log.console": {"format": r"text|console|json"},
}
"""What Grafana knows of what the role sets, by https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/."""
DATA_SOURCE = {
    *("name", "type", "uid", "access", "orgId", "url", "user", "database", "basicAuth", "basicAuthUser"),
    *("withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable", "readOnly"),
}
TLS_DATA = {"tlsAuth", "tlsAuthWithCACert"}
JSON_DATA = {
    "prometheus": {"httpMethod", "timeInterval", "manageAlerts"},
    "elasticsearch": {"index", "timeField", "logMessageField", "logLevelField", "dataLinks"},
    "jaeger": {"tracesToLogsV2"},
}
"""By https://grafana.com/docs/grafana/latest/datasources/, each one's own page. Nothing in them turns verification off."""
PROVIDER = {
    *("name", "orgId", "folder", "folderUid", "type", "disableDeletion", "updateIntervalSeconds"),
    *("allowUiUpdates", "options"),
}
"""Their fields, by https://grafana.com/docs/grafana/latest/administration/provisioning/."""


def settings(folder: Path, name: str = "grafana.ini") -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read_string((folder / name).read_text())
    return parser


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grafana")
    render("tests/grafana/render.yml", {"grafana_dir": str(folder)}, "inventories/production")
    return folder


def test_each_setting_is_one_that_grafana_knows(rendered: Path) -> None:
    found = settings(rendered)
    wrong = [
        f"[{section}] {name} = {value}"
        for section in found.sections()
        for name, value in found[section].items()
        if not re.fullmatch(SETTINGS.get(section, {}).get(name, r"\b\B"), value)
    ]
    assert wrong == []
    assert {section: set(found[section]) for section in found.sections()} == {
        section: set(names) for section, names in SETTINGS.items()
    }


def test_nobody_comes_in_unnamed_or_by_a_known_password(rendered: Path) -> None:
    found = settings(rendered)
    assert found["auth.anonymous"]["enabled"] == "false"
    assert found["users"]["allow_sign_up"] == "false"
    assert found["server"]["protocol"] == "https"
    assert found["security"]["admin_password"] == "$__file{/etc/grafana/administrator_password}"
    assert found["security"]["secret_key"] == "$__file{/etc/grafana/secret_key}"


def test_a_sites_settings_win_and_may_be_further_ones(rendered: Path) -> None:
    found = settings(rendered, "site.ini")
    assert dict(found["auth.generic_oauth"]) == {"enabled": "true", "scopes": "openid"}
    assert found["security"]["cookie_secure"] == "false"
    assert found["security"]["disable_gravatar"] == "true"


def test_every_data_source_is_asked_by_tls_with_a_client_certificate(rendered: Path) -> None:
    provisioned = yaml.safe_load((rendered / "datasources.yml").read_text())
    assert provisioned.keys() == {"apiVersion", "datasources"}
    assert provisioned["apiVersion"] == 1
    sources = {source["uid"]: source for source in provisioned["datasources"]}
    assert {uid: (source["type"], source["url"]) for uid, source in sources.items()} == {
        "prometheus": ("prometheus", "https://127.0.0.1:9090"),
        "elasticsearch": ("elasticsearch", "https://observability-a.alicerce.internal:9200"),
        "jaeger": ("jaeger", "https://127.0.0.1:16686"),
    }
    assert [uid for uid, source in sources.items() if source.get("isDefault")] == ["prometheus"]
    for uid, source in sources.items():
        assert source.keys() <= DATA_SOURCE
        assert source["jsonData"].keys() <= {*TLS_DATA, *JSON_DATA[uid]}
        assert source["access"] == "proxy"
        assert source["jsonData"]["tlsAuth"] is source["jsonData"]["tlsAuthWithCACert"] is True
        secret = dict(source["secureJsonData"])
        secret.pop("basicAuthPassword", None)
        assert secret == {
            "tlsCACert": "$__file{/etc/alicerce/tls/ca.crt}",
            "tlsClientCert": "$__file{/etc/alicerce/tls/host.crt}",
            "tlsClientKey": "$__file{/etc/alicerce/tls/host.key}",
        }


def test_logs_are_read_by_the_account_that_may_read_and_lead_to_traces_and_back(rendered: Path) -> None:
    provisioned = yaml.safe_load((rendered / "datasources.yml").read_text())
    sources = {source["uid"]: source for source in provisioned["datasources"]}
    logs, traces = sources["elasticsearch"], sources["jaeger"]
    assert (logs["basicAuth"], logs["basicAuthUser"]) == (True, "log_reader")
    assert logs["secureJsonData"]["basicAuthPassword"] == "$__file{/etc/grafana/log_reader_password}"
    roles = yaml.safe_load((ROOT / "roles/elasticsearch/vars/main.yml").read_text())
    template, reader = roles["__elasticsearch_template"], roles["__elasticsearch_own_roles"]["log_reader"]
    fields = template["template"]["mappings"]["properties"]
    assert [logs["jsonData"]["index"]] == template["index_patterns"] == reader["indices"][0]["names"]
    assert fields[logs["jsonData"]["timeField"]] == {"type": "date"}
    (link,) = logs["jsonData"]["dataLinks"]
    assert {logs["jsonData"]["logMessageField"], logs["jsonData"]["logLevelField"], link["field"]} <= set(
        fields
    )
    # Grafana reads one dollar sign of two when it provisions.
    assert (link["datasourceUid"], link["url"]) == ("jaeger", "$${__value.raw}")
    back = traces["jsonData"]["tracesToLogsV2"]
    assert (back["datasourceUid"], back["query"]) == ("elasticsearch", 'trace_id:"$${__trace.traceId}"')


def test_there_is_no_data_source_of_what_the_platform_does_not_have(rendered: Path) -> None:
    provisioned = yaml.safe_load((rendered / "metrics_only.yml").read_text())
    assert [source["uid"] for source in provisioned["datasources"]] == ["prometheus"]


def test_dashboards_come_from_where_the_role_lays_them_and_name_data_sources_that_are_there(
    rendered: Path,
) -> None:
    provisioned = yaml.safe_load((rendered / "dashboards.yml").read_text())
    assert provisioned.keys() == {"apiVersion", "providers"}
    assert provisioned["apiVersion"] == 1
    (provider,) = provisioned["providers"]
    assert provider.keys() <= PROVIDER
    assert (provider["type"], provider["options"]) == ("file", {"path": "/etc/grafana/dashboards"})
    home = settings(rendered)["dashboards"]["default_home_dashboard_path"]
    files = {file.stem: file for file in (ROOT / "roles/grafana/files/dashboards").glob("*.json")}
    assert Path(home).parent == Path(provider["options"]["path"])
    assert set(json.loads((rendered / "dashboards.json").read_text())) == set(files)
    assert Path(home).stem in files
    known = {
        source["uid"] for source in yaml.safe_load((rendered / "datasources.yml").read_text())["datasources"]
    }
    led = set()
    for file in files.values():
        named = re.findall(r'"datasource": \{\s*"type": "\w+",\s*"uid": "(\w+)"', file.read_text())
        assert set(named) == {"prometheus"}
        led |= {pane["datasource"] for link in links(file) for pane in panes(link).values()}
    assert led == known - {"prometheus"}


def test_the_unit_may_write_where_grafana_keeps_its_data_and_nowhere_else(rendered: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((rendered / "unit").read_text())
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert unit["Service"]["NoNewPrivileges"] == "true"
    paths = settings(rendered)["paths"]
    assert unit["Service"]["ReadWritePaths"].split() == [paths["data"], paths["logs"]]
