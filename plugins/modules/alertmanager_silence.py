"""Module: silence alerts for as long as planned work lasts."""

from __future__ import annotations

import datetime as dt
import http.client
import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

DOCUMENTATION = """
module: alertmanager_silence
short_description: Silence alerts for as long as planned work lasts
description:
  - Sets a silence that ends by itself after O(minutes), so that work which breaks off leaves no alert unheard for good. A silence that is there with the same
    O(matchers) and O(comment) is made longer and never doubled; one that somebody has set by hand is left alone.
  - An Alertmanager that does not answer stops no work. It is told by a warning.
options:
  url: {type: str, required: true, description: Address of the Alertmanager; empty where there is none.}
  state:
    type: str
    choices: [present, absent]
    default: present
    description: C(absent) lets the silence end O(linger) seconds from now.
  matchers:
    type: list
    elements: dict
    required: true
    description: What it holds for; an alert must match all of them.
    suboptions:
      name: {type: str, required: true, description: Label.}
      value: {type: str, required: true, description: "Its value, or with O(matchers[].regex) what its whole value must match."}
      regex: {type: bool, default: false, description: Whether the value is a regular expression.}
      equal: {type: bool, default: true, description: Whether the label must match; else it must not.}
  comment: {type: str, required: true, description: Why.}
  author: {type: str, required: true, description: Who.}
  minutes: {type: int, default: 60, description: "Minutes after which it ends by itself, from the last time that it was set."}
  linger: {type: int, default: 60, description: Seconds that alerts have to end after the work.}
  ca_file: {type: path, required: true, description: Authority of the Alertmanager's certificate.}
  certificate_file: {type: path, required: true, description: Certificate to show.}
  key_file: {type: path, required: true, description: Its key.}
  timeout: {type: int, default: 5, description: Seconds to wait for an answer.}
attributes:
  check_mode: {support: full, description: Tells whether it would set or end it.}
author: [Alicerce]
"""

EXAMPLES = """
- name: Silence the tickets of etcd
  alertmanager_silence:
    url: https://a.example:9093
    matchers: [{name: service, value: etcd}, {name: severity, value: ticket}]
    comment: Restart of etcd
    author: ana
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.crt
    key_file: /etc/ssl/host.key
"""

RETURN = """
reached: {type: bool, returned: always, description: Whether the Alertmanager answered.}
silences: {type: list, elements: str, returned: always, description: Ids of the silences that were set, made longer or ended.}
"""

Silence = dict[str, Any]


class Alertmanager:
    """Its interface, version 2. Everything raises OSError or HTTPException when it does not answer as it should."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def call(self, method: str, body: Silence | None = None) -> Any:
        with open_url(
            self.params["url"] + "/api/v2/silences",
            method=method,
            data=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
            ca_path=self.params["ca_file"],
            client_cert=self.params["certificate_file"],
            client_key=self.params["key_file"],
            timeout=self.params["timeout"],
        ) as answer:
            return json.load(answer)

    def silences(self) -> list[Silence]:
        """All silences, those that are over too."""
        found: list[Silence] = self.call("GET")
        return found

    def put(self, silence: Silence) -> str:
        """Set a silence, or change the one that has its id; return the id that it has now."""
        return str(self.call("POST", silence)["silenceID"])


def wanted_matchers(params: dict[str, Any]) -> list[Silence]:
    """Return the matchers in the Alertmanager's words."""
    return [
        {"name": m["name"], "value": m["value"], "isRegex": m["regex"], "isEqual": m["equal"]}
        for m in params["matchers"]
    ]


def moment(text: str) -> dt.datetime:
    """Read a time of the Alertmanager."""
    return dt.datetime.fromisoformat(text)


def own(silences: list[Silence], params: dict[str, Any]) -> list[Silence]:
    """Return those that hold, with our matchers and our reason."""

    def by_name(matchers: list[Silence]) -> list[tuple[Any, ...]]:
        return sorted((m["name"], m["value"], m["isRegex"], m.get("isEqual", True)) for m in matchers)

    matchers = by_name(wanted_matchers(params))
    return [
        silence
        for silence in silences
        if silence["status"]["state"] == "active"
        and silence["comment"] == params["comment"]
        and by_name(silence["matchers"]) == matchers
    ]


def due(silences: list[Silence], params: dict[str, Any], now: dt.datetime) -> list[Silence]:
    """Return what to put: a silence, or ours with another end. Nothing when all is as it should be."""
    mine = own(silences, params)
    if params["state"] == "absent":
        end = now + dt.timedelta(seconds=params["linger"])
        return [{**silence, "endsAt": end.isoformat()} for silence in mine if moment(silence["endsAt"]) > end]
    end = now + dt.timedelta(minutes=params["minutes"])
    mine = mine or [{"matchers": wanted_matchers(params), "startsAt": now.isoformat()}]
    return [
        {**mine[0], "endsAt": end.isoformat(), "createdBy": params["author"], "comment": params["comment"]}
    ]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "matchers": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "value": {"type": "str", "required": True},
                    "regex": {"type": "bool", "default": False},
                    "equal": {"type": "bool", "default": True},
                },
            },
            "comment": {"type": "str", "required": True},
            "author": {"type": "str", "required": True},
            "minutes": {"type": "int", "default": 60},
            "linger": {"type": "int", "default": 60},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not params["url"]:
        module.warn(f"Nothing is silenced for this work ({params['comment']}): there is no Alertmanager.")
        module.exit_json(changed=False, reached=False, silences=[])
    server = Alertmanager(params)
    try:
        silences = due(server.silences(), params, dt.datetime.now(dt.UTC))
        put = [silence.get("id", "") if module.check_mode else server.put(silence) for silence in silences]
    except (OSError, http.client.HTTPException) as error:
        module.warn(f"{params['url']} does not take the silence for this work ({params['comment']}): {error}")
        module.exit_json(changed=False, reached=False, silences=[])
    module.exit_json(changed=bool(silences), reached=True, silences=put)


if __name__ == "__main__":
    main()
