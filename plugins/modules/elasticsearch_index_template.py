#!/usr/bin/python
from __future__ import annotations

import json
import urllib.error
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

DOCUMENTATION = """
module: elasticsearch_index_template
short_description: Keep an index template in Elasticsearch
description:
  - Puts the template where the server has none of that name, or another one. Settings are compared in the form in which the server tells them (nested, values as strings).
  - A template shapes indices that are made later; those that exist stay as they are.
options:
  url: {type: str, required: true, description: Address of the server.}
  name: {type: str, required: true, description: Name of the template.}
  template: {type: dict, required: true, description: "The template, as C(_index_template) takes it."}
  user: {type: str, required: true, description: "Account with the privilege C(manage_index_templates)."}
  password: {type: str, required: true, description: Its password.}
  ca_file: {type: path, required: true, description: Authority of the server's certificate.}
  certificate_file: {type: path, required: true, description: Key and certificate of this client.}
  timeout: {type: int, default: 30, description: Seconds to wait for an answer.}
attributes:
  check_mode: {support: full, description: Tells whether it would put the template.}
  diff_mode: {support: full, description: Shows both templates.}
author: [Alicerce]
"""

EXAMPLES = """
- name: Keep the template of the logs' indices
  elasticsearch_index_template:
    url: https://a.example:9200
    name: logs
    template: {index_patterns: [logs-*], priority: 500, template: {settings: {index: {number_of_shards: "1"}}}}
    user: log_keeper
    password: "{{ lookup('secret', 'elasticsearch_log_keeper') }}"
    ca_file: /etc/ssl/ca.crt
    certificate_file: /etc/ssl/host.pem
"""

RETURN = """
template: {type: dict, returned: always, description: The template as it was before.}
"""

NOT_FOUND = 404


def call(params: dict[str, Any], method: str, path: str, body: Any = None) -> Any:
    """Return the answer to a request. Raises HTTPError for an error of the server, OSError for none at all."""
    with open_url(
        params["url"] + path,
        method=method,
        data=None if body is None else json.dumps(body),
        headers={"Content-Type": "application/json"},
        url_username=params["user"],
        url_password=params["password"],
        force_basic_auth=True,
        ca_path=params["ca_file"],
        client_cert=params["certificate_file"],
        timeout=params["timeout"],
    ) as answer:
        return json.load(answer)


def present(params: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the template that the server has, empty when there is none."""
    try:
        found: dict[str, Any] = call(params, "GET", path)["index_templates"][0]["index_template"]
    except urllib.error.HTTPError as error:
        if error.code != NOT_FOUND:
            raise
        return {}
    return {name: value for name, value in found.items() if name in params["template"] or value}


def same(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Tell whether the server has what is wanted; it adds an empty C(composed_of), and days of its own when it was made."""
    own = {"composed_of", "created_date", "created_date_millis", "modified_date", "modified_date_millis"}
    return wanted == {name: value for name, value in found.items() if name in wanted or name not in own}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "template": {"type": "dict", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "ca_file": {"type": "path", "required": True},
            "certificate_file": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    params = module.params
    path = f"/_index_template/{params['name']}"
    try:
        before = present(params, path)
        changed = not same(params["template"], before)
        if changed and not module.check_mode:
            call(params, "PUT", path, params["template"])
    except urllib.error.HTTPError as error:
        module.fail_json(msg=f"{params['url']} answers {error.code}: {error.read().decode(errors='replace')}")
    except OSError as error:
        module.fail_json(msg=f"{params['url']} does not answer: {error}")
    module.exit_json(
        changed=changed,
        template=before,
        diff={
            "before": json.dumps(before, indent=2, sort_keys=True) + "\n",
            "after": json.dumps(params["template"], indent=2, sort_keys=True) + "\n",
        },
    )


if __name__ == "__main__":
    main()
