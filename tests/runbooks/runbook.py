"""Runbooks as text: what they run, in which state of the platform, and whether what was printed is what they say. docs/runbooks/README.md has the format."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "runbooks"

RUN = "console"
ANYTHING = "…"
FAILS = "[fails]"
REST = ("What to do", "How to know that it is over", "How to go back")
INCIDENT = ("Symptoms", "What it means", *REST)
VERB = ("When", "What it does", *REST)
"""The parts of a runbook, in their order."""
KEYS = {"state", "quick"}
VARIABLE = re.compile(r"\$(?:\{([A-Z][A-Z_]*)\}|([A-Z][A-Z_]*))")


class RunbookError(Exception):
    """A runbook is not in the format."""


@dataclass(frozen=True)
class Command:
    """One command and what it prints."""

    line: int
    """Where it stands in the file, counted from 1."""
    text: str
    expected: tuple[str, ...]
    fails: bool
    """Whether it must end with another code than 0."""
    patience: float
    """Seconds in which it is asked again until it prints what it shall."""


@dataclass(frozen=True)
class Runbook:
    """One file."""

    path: Path
    state: str
    quick: bool
    commands: tuple[Command, ...]


def files(folder: Path = FOLDER) -> list[Path]:
    """Return the runbooks of a folder; those of alerts, below it, are none that are run."""
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def read(path: Path) -> Runbook:
    """Read a runbook. Raises RunbookError where it is none."""
    lines = path.read_text().splitlines()
    front, body = front_matter(lines)
    commands: list[Command] = []
    fence = ""
    for number, line in enumerate(lines[body:], body + 1):
        if not line.startswith("```"):
            continue
        if fence:
            fence = ""
            continue
        fence = line.removeprefix("```").strip()
        kind, *options = fence.split() or [""]
        fence = fence or "text"
        if kind == RUN:
            end = next((i for i in range(number, len(lines)) if lines[i].startswith("```")), None)
            if end is None:
                raise RunbookError(f"{path.name}:{number}: the block has no end")
            commands += block(path.name, number + 1, lines[number:end], options)
    if fence:
        raise RunbookError(f"{path.name}: a block has no end")
    if not commands:
        raise RunbookError(f"{path.name}: nothing in it is run: it needs a block ```{RUN} with a command")
    headings = tuple(line.removeprefix("## ") for line in lines[body:] if line.startswith("## "))
    if headings not in {INCIDENT, VERB}:
        raise RunbookError(
            f"{path.name}: its parts are to be, in this order: {', '.join(INCIDENT)}; or, of a verb: {', '.join(VERB)}"
        )
    return Runbook(path, str(front["state"]), bool(front.get("quick", False)), tuple(commands))


def front_matter(lines: list[str]) -> tuple[dict[str, Any], int]:
    """Return what stands before the text, and the index of the line after it."""
    try:
        end = lines.index("---", 1)
        front = yaml.safe_load("\n".join(lines[1:end])) if lines[0] == "---" else None
    except (ValueError, IndexError, yaml.YAMLError):
        front = None
    if not isinstance(front, dict) or "state" not in front:
        raise RunbookError("it does not begin with ---, state: STATE, ---")
    if unknown := front.keys() - KEYS:
        raise RunbookError(f"its front matter has unknown keys: {', '.join(sorted(unknown))}")
    return front, end + 1


def block(name: str, number: int, lines: list[str], options: list[str]) -> list[Command]:
    """Return the commands of a block that begins at a line."""
    patience = 0.0
    for option in options:
        found = re.fullmatch(r"within=(\d+)s", option)
        if not found:
            raise RunbookError(f"{name}:{number - 1}: a block knows within=SECONDSs, not {option}")
        patience = float(found[1])
    starts = [i for i, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise RunbookError(f"{name}:{number}: the block does not begin with a command: $ COMMAND")
    commands = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        text = [lines[start].removeprefix("$ ")]
        while start + len(text) < end and lines[start + len(text)].startswith("> "):
            text.append(lines[start + len(text)].removeprefix("> "))
        expected = lines[start + len(text) : end]
        fails = bool(expected) and expected[-1] == FAILS
        expected = expected[:-1] if fails else expected
        commands.append(Command(number + start, "\n".join(text), tuple(expected), fails, patience))
    return commands


def pattern(expected: tuple[str, ...], variables: Mapping[str, str]) -> str:
    """Return the regular expression of what is expected."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[2], found[0])

    parts = []
    for line in expected:
        if line.strip() == ANYTHING:
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            pieces = VARIABLE.sub(value, line.rstrip()).split(ANYTHING)
            parts.append(r"[^\n]*?".join(re.escape(piece) for piece in pieces) + r"[ \t]*\n")
    return "".join(parts)


def difference(expected: tuple[str, ...], printed: str, variables: Mapping[str, str]) -> str:
    """Return in which way what was printed is not what is expected; "" when it is."""
    clean = re.sub(r"\x1b\[[0-9;]*m", "", printed).strip("\n")
    text = "".join(f"{line}\n" for line in clean.splitlines())
    if re.fullmatch(pattern(expected, variables), text):
        return ""
    return "\n".join(
        difflib.unified_diff(
            list(expected), text.splitlines(), "the runbook says", "was printed", lineterm=""
        )
    )
