"""The configuration of Logstash and Kibana is what their documentation describes, as far as that can be seen without the programs."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.render import render

Node = tuple[str, Any]
TEXT, PATH, NUMBER, BOOLEAN = r'"[^"]+"', r'"/\S+"', r"\d+", r"true|false"
PATHS = rf"\[{PATH}\]"
PLUGINS = {
    ("input", "tcp"): {
        "host": TEXT,
        "port": NUMBER,
        "codec": r"json_lines",
        "dns_reverse_lookup_enabled": BOOLEAN,
        "tcp_keep_alive": BOOLEAN,
        "ssl_enabled": r"true",
        "ssl_certificate": PATH,
        "ssl_key": PATH,
        "ssl_certificate_authorities": PATHS,
        "ssl_client_authentication": r'"required"',
    },
    ("filter", "mutate"): {
        "rename": r'\{"id" => "\[@metadata\]\[id\]"\}',
        "remove_field": r'\["@version"\]',
        "add_field": r'\{"team" => "platform"\}',
    },
    ("filter", "drop"): {},
    ("output", "elasticsearch"): {
        "hosts": r'\["https://observability-a\.alicerce\.internal:9200"\]',
        "user": r'"logstash_writer"',
        "password": r'"\$\{ELASTICSEARCH_PASSWORD:\}"',
        "ssl_enabled": r"true",
        "ssl_verification_mode": r'"full"',
        "ssl_certificate_authorities": PATHS,
        "ssl_certificate": PATH,
        "ssl_key": PATH,
        "action": r'"create"',
        "document_id": r'"%\{\[@metadata\]\[id\]\}"',
        "index": r'"logs-%\{\+YYYY\.MM\.dd\}"',
        "data_stream": r'"(true|false|auto)"',
        "manage_template": BOOLEAN,
        "ilm_enabled": r'"(true|false|auto)"',
    },
}
"""Options of each plugin, by https://www.elastic.co/docs/reference/logstash/plugins/."""
LOGSTASH = {
    "node.name": str,
    "path.data": str,
    "path.logs": str,
    "api.http.host": str,
    "api.http.port": int,
    "pipeline.ecs_compatibility": str,
    "queue.type": str,
    "queue.max_bytes": str,
    "dead_letter_queue.enable": bool,
}
"""By https://www.elastic.co/docs/reference/logstash/logstash-settings-file."""
KIBANA = {
    "server.name": str,
    "server.host": str,
    "server.port": int,
    "server.publicBaseUrl": str,
    "server.ssl.enabled": bool,
    "server.ssl.certificate": str,
    "server.ssl.key": str,
    "server.ssl.supportedProtocols": list,
    "elasticsearch.hosts": list,
    "elasticsearch.username": str,
    "elasticsearch.password": str,
    "elasticsearch.ssl.certificateAuthorities": list,
    "elasticsearch.ssl.certificate": str,
    "elasticsearch.ssl.key": str,
    "elasticsearch.ssl.alwaysPresentCertificate": bool,
    "elasticsearch.ssl.verificationMode": str,
    "xpack.security.encryptionKey": str,
    "xpack.encryptedSavedObjects.encryptionKey": str,
    "xpack.reporting.encryptionKey": str,
    "path.data": str,
    "telemetry.optIn": bool,
    "telemetry.allowChangingOptInStatus": bool,
    "newsfeed.enabled": bool,
}
"""By https://www.elastic.co/docs/reference/kibana/configuration-reference/."""


class Pipeline:
    """Reads Logstash's language: sections of plugins, which have options, and conditions around them."""

    WORD = re.compile(r'"[^"]*"|=>|[][{},]|[^\s"\[\]{},=]+|==')

    def __init__(self, text: str) -> None:
        bare = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
        assert re.sub(self.WORD, "", bare).strip() == ""
        self.words = self.WORD.findall(bare)

    def take(self, *expected: str) -> str:
        word: str = self.words.pop(0)
        assert not expected or word in expected, f"{word} where {expected} should be, before {self.words[:5]}"
        return word

    def plugins(self) -> list[tuple[str, str, dict[str, str]]]:
        """Section, name and options of each plugin."""
        found = []
        while self.words:
            section = self.take("input", "filter", "output")
            self.take("{")
            found += [(section, name, options) for name, options in self.block()]
        return found

    def block(self) -> list[tuple[str, dict[str, str]]]:
        found = []
        while (name := self.take()) != "}":
            if name == "if":
                while self.take() != "{":
                    pass
                found += self.block()
            else:
                self.take("{")
                found.append((name, self.options()))
        return found

    def options(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while (name := self.take()) != "}":
            assert re.fullmatch(r"[a-z_]+", name)
            assert name not in found
            self.take("=>")
            found[name] = self.value()
        return found

    def value(self) -> str:
        word = self.take()
        if word not in "[{":
            return word
        inner = []
        while (part := self.value()) not in ("]", "}"):
            inner.append(part)
        assert part == {"[": "]", "{": "}"}[word]
        separator = " " if word == "{" else ""
        return word + separator.join(inner) + part


@pytest.fixture(scope="module", params=[True, False], ids=["with", "without"])
def rendered(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, bool]:
    """The files, of a site with Logstash and Kibana and of one without."""
    folder = tmp_path_factory.mktemp("elastic")
    variables = {"elastic_dir": str(folder), "secret_store_dir": str(folder / "secrets")}
    further = ["tests/elastic/hosts.yml"] if request.param else []
    render("tests/elastic/render.yml", variables, "inventories/production", *further)
    return folder, request.param


def test_the_pipeline_is_whole_and_has_options_that_its_plugins_know(rendered: tuple[Path, bool]) -> None:
    found = Pipeline((rendered[0] / "logstash-pipeline.conf").read_text()).plugins()
    assert [name for _, name, _ in found] == ["tcp", "drop", "mutate", "mutate", "elasticsearch"]
    wrong = [
        f"{section} {name}: {option} => {value}"
        for section, name, options in found
        for option, value in options.items()
        if not re.fullmatch(PLUGINS.get((section, name), {}).get(option, r"\b\B"), value)
    ]
    assert wrong == []
    for section, name, options in found:
        if name in ("tcp", "elasticsearch"):
            assert options.keys() == PLUGINS[section, name].keys()


@pytest.mark.parametrize("broken", ["}", "=>", '"', '["'])
def test_a_pipeline_that_is_not_whole_is_seen(rendered: tuple[Path, bool], broken: str) -> None:
    text = (rendered[0] / "logstash-pipeline.conf").read_text()
    place = text.rindex(broken)
    with pytest.raises((AssertionError, IndexError)):
        Pipeline(text[:place] + text[place + len(broken) :]).plugins()


@pytest.mark.parametrize(("program", "known"), [("logstash", LOGSTASH), ("kibana", KIBANA)])
def test_each_setting_is_one_that_the_program_knows(
    rendered: tuple[Path, bool], program: str, known: dict[str, type]
) -> None:
    found = yaml.safe_load((rendered[0] / f"{program}-{program}.yml").read_text())
    assert {name: type(value) for name, value in found.items()} == known


def test_kibana_shows_and_asks_by_tls_and_its_keys_are_long_enough(rendered: tuple[Path, bool]) -> None:
    found = yaml.safe_load((rendered[0] / "kibana-kibana.yml").read_text())
    assert found["server.ssl.enabled"] is found["elasticsearch.ssl.alwaysPresentCertificate"] is True
    assert found["elasticsearch.ssl.verificationMode"] == "full"
    assert found["elasticsearch.hosts"] == ["https://observability-a.alicerce.internal:9200"]
    keys = [value for name, value in found.items() if name.endswith(".encryptionKey")]
    assert len(set(keys)) == 3
    assert min(map(len, keys)) >= 32


def test_the_environment_is_what_systemd_reads(rendered: tuple[Path, bool]) -> None:
    lines = (rendered[0] / "logstash-environment").read_text().splitlines()
    found = dict(word.split("=", 1) for line in lines for word in shlex.split(line, comments=True))
    assert found.keys() == {"LS_JAVA_OPTS", "ELASTICSEARCH_PASSWORD"}
    assert found["LS_JAVA_OPTS"] == "-Xms1024m -Xmx1024m"
    assert len(found["ELASTICSEARCH_PASSWORD"]) >= 32


@pytest.mark.parametrize("program", ["logstash", "kibana"])
def test_a_unit_may_write_where_its_program_keeps_its_data_and_nowhere_else(
    rendered: tuple[Path, bool], program: str
) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((rendered[0] / f"{program}-unit").read_text())
    service = unit["Service"]
    assert service["ProtectSystem"] == "strict"
    assert {service[name] for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp")} == {"true"}
    assert service["CapabilityBoundingSet"] == ""
    assert service["ReadWritePaths"].split() == [f"/var/lib/{program}", f"/var/log/{program}"]
    # Both compile what they run.
    assert "MemoryDenyWriteExecute" not in service


def test_accounts_have_the_least_rights_and_are_there_only_when_wanted(rendered: tuple[Path, bool]) -> None:
    folder, wanted = rendered
    rest = json.loads((folder / "rest.json").read_text())
    further = {"logstash_writer", "log_viewer", "kibana_keeper", "kibana_system"}
    assert set(rest["accounts"]) == {"log_writer", "log_reader", "log_keeper", "exporter"} | (
        further if wanted else set()
    )
    # A role of that name is the vendor's, which a file may not define.
    assert "kibana_system" not in rest["roles"]
    if wanted:
        writer = rest["roles"]["logstash_writer"]
        assert writer["indices"] == [{"names": ["logs-*"], "privileges": ["create_doc", "create_index"]}]
        assert "cluster" not in rest["roles"]["log_viewer"]


def test_rsyslog_writes_to_logstash_where_there_is_one(rendered: tuple[Path, bool]) -> None:
    folder, wanted = rendered
    text = (folder / "rsyslog-rsyslog.conf").read_text()
    assert ("omfwd" in text, "omelasticsearch" in text) == (wanted, not wanted)
    code = re.sub(r"^\s*#.*$|\"(\\.|[^\"\\])*\"|'[^']*'", "", text, flags=re.MULTILINE)
    assert code.count("{") == code.count("}")
    packages = json.loads((folder / "rest.json").read_text())["packages"]
    assert ("rsyslog-openssl" in packages, "rsyslog-elasticsearch" in packages) == (wanted, not wanted)
    if wanted:
        assert 'target=["observability-a.alicerce.internal"] port="20515"' in text
        assert 'streamDriverAuthMode="x509/name"' in text
