"""What is silenced for planned work, for how long, and never; Molecule's scenario prometheus runs it against a real Alertmanager."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.unit.certificate import self_signed
from tests.unit.load import ROOT, load_plugin

silence = load_plugin("modules/alertmanager_silence.py")
NOW = dt.datetime(2026, 3, 2, 4, 0, tzinfo=dt.UTC)
PARAMS: dict[str, Any] = {
    "state": "present",
    "matchers": [
        {"name": "service", "value": "etcd", "regex": False, "equal": True},
        {"name": "alertname", "value": "EdgeDown", "regex": True, "equal": False},
    ],
    "comment": "Restart of etcd",
    "author": "ana",
    "minutes": 60,
    "linger": 60,
}


def held(**changes: Any) -> dict[str, Any]:
    """A silence as the Alertmanager tells it; it sorts matchers in its own way."""
    return {
        "id": "1",
        "status": {"state": "active"},
        "matchers": silence.wanted_matchers(PARAMS)[::-1],
        "startsAt": "2026-03-02T03:30:00.000Z",
        "endsAt": "2026-03-02T04:30:00.000Z",
        "comment": "Restart of etcd",
        "createdBy": "eva",
        **changes,
    }


def test_a_new_silence_has_its_end_and_says_who_and_why() -> None:
    (put,) = silence.due([], PARAMS, NOW)
    assert put == {
        "matchers": silence.wanted_matchers(PARAMS),
        "startsAt": "2026-03-02T04:00:00+00:00",
        "endsAt": "2026-03-02T05:00:00+00:00",
        "createdBy": "ana",
        "comment": "Restart of etcd",
    }


def test_a_second_run_makes_its_own_silence_longer() -> None:
    (put,) = silence.due([held()], PARAMS, NOW)
    assert (put["id"], put["startsAt"]) == ("1", "2026-03-02T03:30:00.000Z")
    assert (put["endsAt"], put["createdBy"]) == ("2026-03-02T05:00:00+00:00", "ana")


@pytest.mark.parametrize(
    "other",
    [
        held(comment="my own"),
        held(status={"state": "expired"}),
        held(matchers=silence.wanted_matchers(PARAMS)[:1]),
        held(matchers=[{**m, "isEqual": True} for m in silence.wanted_matchers(PARAMS)]),
    ],
)
def test_a_silence_of_somebody_else_is_left_alone(other: dict[str, Any]) -> None:
    (put,) = silence.due([other], PARAMS, NOW)
    assert "id" not in put
    assert silence.due([other], {**PARAMS, "state": "absent"}, NOW) == []


def test_what_ends_lingers_and_ends_once() -> None:
    absent = {**PARAMS, "state": "absent"}
    (put,) = silence.due([held()], absent, NOW)
    assert put == {**held(), "endsAt": "2026-03-02T04:01:00+00:00"}
    assert silence.due([held(endsAt="2026-03-02T04:00:50.000Z")], absent, NOW) == []
    assert silence.due([], absent, NOW) == []


class Alertmanager(http.server.BaseHTTPRequestHandler):
    """Keeps silences; refuses those that say whom nobody knows."""

    kept: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        self.answer(200, self.kept)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["createdBy"] == "refused":
            self.answer(400, "bad silence")
        else:
            self.kept.append({**body, "id": "7", "status": {"state": "active"}})
            self.answer(200, {"silenceID": "7"})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An Alertmanager's address, and the certificate that it and its clients show."""
    pem = self_signed(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pem))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(pem)
    Alertmanager.kept = []
    listening = http.server.ThreadingHTTPServer(("localhost", 0), Alertmanager)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"https://localhost:{listening.server_address[1]}", pem
    listening.shutdown()
    thread.join()
    listening.server_close()


def run(url: str, pem: Path, **changes: Any) -> dict[str, Any]:
    """Run the module as Ansible does, and return its answer."""
    files = dict.fromkeys(("ca_file", "certificate_file", "key_file"), str(pem))
    arguments = {**PARAMS, "url": url, "timeout": 5, **files, **changes}
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins/modules/alertmanager_silence.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NO_PROXY": "localhost", "_ANSIBLE_TEST": "1"},
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_it_is_set_by_tls_with_a_client_certificate(server: tuple[str, Path]) -> None:
    answer = run(*server)
    assert (answer["changed"], answer["reached"], answer["silences"]) == (True, True, ["7"])
    (kept,) = Alertmanager.kept
    assert kept["matchers"] == silence.wanted_matchers(PARAMS)


def test_check_mode_tells_what_it_would_do_and_does_nothing(server: tuple[str, Path]) -> None:
    assert run(*server, _ansible_check_mode=True)["changed"] is True
    assert run(*server, _ansible_check_mode=True, state="absent")["changed"] is False
    assert Alertmanager.kept == []


def test_nothing_that_the_alertmanager_says_stops_the_work(server: tuple[str, Path]) -> None:
    url, pem = server
    for answer, says in (
        (run("", pem), "there is no Alertmanager"),
        (run("https://localhost:1", pem), "does not take the silence"),
        (run(url, pem, author="refused"), "400"),
    ):
        assert (answer["changed"], answer["reached"]) == (False, False)
        (warning,) = answer["warnings"]
        assert says in str(warning)


def test_no_page_about_people_is_ever_silenced() -> None:
    role = yaml.safe_load((ROOT / "roles/alertmanager/vars/main.yml").read_text())
    never = re.compile(role["__alertmanager_never_silenced"])
    rules = "\n".join(file.read_text() for file in (ROOT / "roles/prometheus/templates/rules").glob("*.j2"))
    names = set(re.findall(r"alert: (\w+)|rule\('(\w+)'", rules))
    alerts = {name for pair in names for name in pair if name}
    kept = {name for name in alerts if never.fullmatch(name)}
    assert kept == {
        *("EdgeDown", "EdgeUnreachable", "EdgeUnreachableFromZone", "ServiceDown", "HostDown", "Watchdog"),
        *("AvailabilityBudgetBurning", "LatencyBudgetBurning"),
    }
