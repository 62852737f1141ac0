"""The queries of dashboards and rules, and programs for a host that ask Prometheus and others there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAST = 1800
"""Seconds of the past that count: what a service counts begins anew when it is restarted, as tests do."""
WINDOWS = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}
"""Grafana's own variables, and what stands for them."""
STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"
TOKEN = re.compile(
    rf"(?P<string>{STRING})|(?P<range>\[[^\]]*\])|(?P<number>\d[\w.]*)"
    rf"|(?P<name>[A-Za-z_:][\w:]*)?\s*(?P<matchers>\{{(?:[^{{}}\"'`]|{STRING})*\}})"
    r"|(?P<word>[A-Za-z_:][\w:]*)(?P<call>\s*\()?"
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"} | {
    *(
        "sum",
        "min",
        "max",
        "avg",
        "count",
        "group",
        "stddev",
        "stdvar",
        "topk",
        "bottomk",
        "quantile",
        "count_values",
    )
}
"""What stands in an expression where a metric might, and is none."""


@dataclass(frozen=True)
class Expression:
    """A PromQL expression and where it stands."""

    place: str
    text: str
    whole: bool = True
    """Whether it must find something as a whole, or only each of its selectors: a mark in a graph is rarely there."""
    record: str = ""
    """The series that a recording rule makes of it."""


def selectors(text: str) -> list[str]:
    """Return the selectors of series in an expression, without ranges and offsets."""
    found: list[str] = []
    position = 0
    while match := TOKEN.search(text, position):
        position = match.end()
        if match["matchers"]:
            found.append((match["name"] or "") + match["matchers"])
        elif match["word"] in GROUPING and match["call"]:
            position = text.index(")", position) + 1
        elif match["word"] and not match["call"] and match["word"].lower() not in WORDS | GROUPING:
            found.append(match["word"])
    return found


def metric(selector: str) -> str:
    """Return the name of a selector's metric; the pattern where it is none."""
    named = re.search(r'__name__=~?"([^"]+)"', selector)
    return selector.partition("{")[0] or (named[1] if named else selector)


def fill(text: str, variables: Iterable[str]) -> str:
    """Put a window or a pattern that matches every value in place of each variable. Raises ValueError for others."""
    for name, window in WINDOWS.items():
        text = text.replace(name, window)
    for name in variables:
        text = re.sub(rf"\$({name}\b|{{{name}}})", ".+", text)
    if "$" in text:
        raise ValueError(f"a variable that nothing sets: {text}")
    return text


def of_dashboard(file: Path) -> Iterator[Expression]:
    """Yield the expressions of one dashboard: of its variables, its annotations and its panels."""
    board: dict[str, Any] = json.loads(file.read_text())
    variables = board["templating"].get("list", []) if "templating" in board else []
    names = [variable["name"] for variable in variables]
    for variable in variables:
        asked = re.fullmatch(r"label_values\((.+), *(\w+)\)", variable["query"]["query"])
        if not asked:
            raise ValueError(f"{file.name}: variable {variable['name']}: no label_values(metric, label)")
        yield Expression(
            f"{file.name}: variable {variable['name']}", fill(f"group by ({asked[2]}) ({asked[1]})", names)
        )
    for annotation in board.get("annotations", {}).get("list", []):
        if "expr" in annotation:
            yield Expression(
                f"{file.name}: annotation {annotation['name']}", fill(annotation["expr"], names), whole=False
            )
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield Expression(
                f"{file.name}: {panel['title']} ({target['refId']})", fill(target["expr"], names)
            )


def of_rules(answer: dict[str, Any]) -> Iterator[Expression]:
    """Yield the expressions of rules as Prometheus tells them; an alert rightly finds nothing when all is well."""
    for group in answer["data"]["groups"]:
        for rule in group["rules"]:
            recording = rule["type"] == "recording"
            yield Expression(
                f"rule {rule['name']} of {group['name']}",
                rule["query"],
                whole=recording,
                record=rule["name"] if recording else "",
            )


PRELUDE = """
import base64, http.client, json, ssl, time
from urllib.parse import urlencode

tls = "/etc/alicerce/tls/"
context = ssl.create_default_context(cafile=tls + "ca.crt")
context.load_cert_chain(tls + "host.crt", tls + "host.key")
connection = http.client.HTTPSConnection(SERVER, context=context, timeout=60)


def ask(path, body=None, kind="application/x-www-form-urlencoded"):
    headers = {"Content-Type": kind}
    if LOGIN:
        headers["Authorization"] = "Basic " + base64.b64encode(LOGIN.encode()).decode()
    connection.request("POST" if body else "GET", path, body, headers)
    return json.loads(connection.getresponse().read())
"""
FINDING = """

def found(query):
    now = time.time()
    parameters = {"query": query, "start": now - PAST, "end": now, "step": 60}
    answer = ask("/api/v1/query_range", urlencode(parameters))
    if answer["status"] != "success":
        return answer["error"]
    return "" if answer["data"]["result"] else "finds nothing"


missing = {query: "" for query in QUERIES}
deadline = time.monotonic() + PATIENCE
while True:
    missing = {query: why for query in missing if (why := found(query))}
    if not missing or time.monotonic() > deadline:
        break
    time.sleep(5)
print(json.dumps(missing))
"""
PROMETHEUS = "127.0.0.1:9090"


def asking(path: str, *, server: str = PROMETHEUS, body: Any = None, login: str = "") -> str:
    """Return a program for a host, which asks a server there with the host's certificate and prints its answer.

    A `body` is sent as JSON, `login` is a name and a password with a colon between them.
    """
    sent = None if body is None else json.dumps(body)
    asked = f"print(json.dumps(ask({path!r}, {sent!r}, 'application/json')))"
    return f"SERVER = {server!r}\nLOGIN = {login!r}\n{PRELUDE}\n{asked}\n"


def program(queries: Iterable[str], *, patience: float = 0) -> str:
    """Return a program for a host of the group observability.

    It prints a JSON object of the queries that fail or have found nothing in the last half hour, and why, after
    having tried them again for `patience` seconds.
    """
    settings = {
        "SERVER": PROMETHEUS,
        "LOGIN": "",
        "QUERIES": sorted(set(queries)),
        "PATIENCE": patience,
        "PAST": PAST,
    }
    return "".join(f"{name} = {value!r}\n" for name, value in settings.items()) + PRELUDE + FINDING
