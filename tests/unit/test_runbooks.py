"""Runbooks are in their format, and what they print is compared as they say; tests/runbooks runs them on the lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runbooks.runbook import INCIDENT, Command, RunbookError, difference, files, read
from tests.runbooks.states import STATES

PARTS = "".join(f"\n## {heading}\n" for heading in INCIDENT)


def written(folder: Path, text: str, front: str = "state: whole") -> Path:
    file = folder / "example.md"
    file.write_text(f"---\n{front}\n---\n# Example\n{PARTS}\n{text}\n")
    return file


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_each_runbook_is_in_the_format_and_its_state_can_be_had(path: Path) -> None:
    assert read(path).state in STATES


def test_commands_stand_with_what_they_print(tmp_path: Path) -> None:
    text = "```console within=90s\n$ first\n$ second \\\n> more\none\n…\n```\n```sh\nnot run\n```\n```console\n$ third\n[fails]\n```"
    runbook = read(written(tmp_path, text, "state: whole\nquick: true"))
    line = 6 + PARTS.count("\n")
    assert runbook.commands == (
        Command(line + 2, "first", (), False, 90),
        Command(line + 3, "second \\\nmore", ("one", "…"), False, 90),
        Command(line + 12, "third", (), True, 0),
    )
    assert (runbook.state, runbook.quick) == ("whole", True)
    assert (tmp_path / "example.md").read_text().splitlines()[line + 1] == "$ first"


@pytest.mark.parametrize(
    ("text", "front", "says"),
    [
        ("```sh\nls\n```", "state: whole", "nothing in it is run"),
        ("```console\nls\n```", "state: whole", "does not begin with a command"),
        ("```console soon\n$ ls\n```", "state: whole", "not soon"),
        ("```console\n$ ls\n", "state: whole", "no end"),
        ("```console\n$ ls\n```", "title: x", "does not begin with"),
        ("```console\n$ ls\n```", "state: whole\nowner: x", "unknown keys: owner"),
    ],
)
def test_what_is_no_runbook_is_refused(tmp_path: Path, text: str, front: str, says: str) -> None:
    with pytest.raises(RunbookError, match=says):
        read(written(tmp_path, text, front))


def test_a_runbook_has_all_its_parts(tmp_path: Path) -> None:
    file = written(tmp_path, "```console\n$ ls\n```")
    file.write_text(file.read_text().replace("## How to go back\n", ""))
    with pytest.raises(RunbookError, match="in this order"):
        read(file)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ([], "", True),
        ([], "something", False),
        (["one"], "one\n", True),
        (["one"], "\none  \n\n", True),
        (["one"], "two\n", False),
        (["one", "…"], "one\n", True),
        (["one", "…", "three"], "one\ntwo\nstill two\nthree\n", True),
        (["one", "…", "three"], "one\nthree\nfour\n", False),
        (["…", "three", "…"], "one\nthree\nfour", True),
        (["a … of …"], "a b c of 3", True),
        (["a … of"], "a b c of 3", False),
        (["…(x).*"], "a(x).*", True),
        (["…(x).*"], "a(x)yy", False),
        (["$HOST is up, ${ZONE}1, $OTHER"], "node-a is up, b1, $OTHER", True),
        (["green"], "\x1b[32mgreen\x1b[0m", True),
    ],
)
def test_what_is_printed_is_compared(expected: list[str], printed: str, same: bool) -> None:
    wrong = difference(tuple(expected), printed, {"HOST": "node-a", "ZONE": "b"})
    assert (wrong == "") is same


def test_a_difference_shows_both() -> None:
    assert difference(("one",), "two", {}).splitlines()[-2:] == ["-one", "+two"]
