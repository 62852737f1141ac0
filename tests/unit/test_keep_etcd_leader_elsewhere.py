"""Which member of etcd is to lead while PostgreSQL's primary is in a zone, and what is done about it."""

import io
import json
import urllib.error
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from tests.unit.load import load_program

program = load_program("postgresql/files/keep_etcd_leader_elsewhere.py")
NEAR = {"a.example"}


def member(name: str, index: int = 500, *, learner: bool = False) -> Any:
    return program.Member(f"https://{name}.example:2379", name, "a", index, learner)


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([member("b", 499), member("c", 500)], "c"),
        ([member("b", 500), member("c", 399)], "b"),
        ([member("b", 399)], None),
        ([member("b", learner=True), member("c", 400)], "c"),
        ([], None),
    ],
)
def test_the_member_that_has_most_takes_over(others: list[Any], chosen: str | None) -> None:
    leader = member("a")
    heir = program.heir([leader, *others], leader, NEAR)
    assert (heir.id if heir else None) == chosen


def test_a_leader_elsewhere_stays() -> None:
    assert program.heir([member("a"), member("b")], member("b"), NEAR) is None


class Etcd:
    """A cluster's gateway: who leads, who answers, and whether it lets the lead go."""

    def __init__(self, leader: str, *, silent: str = "", refuses: bool = False) -> None:
        self.leader, self.silent, self.refuses = leader, silent, refuses
        self.moved: list[tuple[str, str]] = []

    def ask(self, url: str, _context: object, **message: str) -> dict[str, Any]:
        name = url.removeprefix("https://")[0]
        if name == self.silent:
            raise urllib.error.URLError("no route")
        if url.endswith("/status"):
            return {"header": {"member_id": name}, "leader": self.leader, "raftAppliedIndex": "7"}
        assert url.endswith("/transfer-leadership")
        if self.refuses:
            raise urllib.error.HTTPError(url, 503, "", Message(), io.BytesIO(b"timed out"))
        self.moved.append((name, message["targetID"]))
        return {}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    class Context:
        def load_cert_chain(self, *_: str) -> None: ...

    monkeypatch.setattr(program.ssl, "create_default_context", lambda **_: Context())
    file = tmp_path / "config.yml"
    hosts = [f"{name}.example:2379" for name in "abc"]
    file.write_text(json.dumps({"etcd3": {"hosts": hosts, "cacert": "ca", "cert": "crt", "key": "key"}}))
    return str(file)


@pytest.mark.parametrize(
    ("etcd", "moved"),
    [
        (Etcd("a"), [("a", "b")]),
        (Etcd("a", silent="b"), [("a", "c")]),
        (Etcd("b"), []),
        (Etcd("0"), []),
        (Etcd("a", silent="a"), []),
    ],
)
def test_the_leader_is_asked_to_go(
    config: str, monkeypatch: pytest.MonkeyPatch, etcd: Etcd, moved: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(program, "ask", etcd.ask)
    assert program.main(config, "a.example") == 0
    assert etcd.moved == moved


def test_a_refusal_is_told(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "ask", Etcd("a", refuses=True).ask)
    assert program.main(config, "a.example") == 1
    assert "a.example keeps the lead: timed out" in capsys.readouterr().err
