"""What the strategy changes in Ansible's internals: templates give what they gave, and are compiled once."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.plugins.lookup.template
import jinja2
import pytest
from jinja2.bccache import FileSystemBytecodeCache

from tests.unit.load import ROOT, load_plugin


@pytest.fixture(scope="module")
def strategy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALICERCE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load_plugin("strategy/mitogen_tuned.py")


@pytest.fixture
def environment(strategy: ModuleType, tmp_path: Path) -> Any:
    """A kind of environment that counts what it compiles."""

    class Counting(jinja2.Environment):
        compiled: list[str] = []  # noqa: RUF012 - of the class, as the fixture makes one a test

        def compile(self, source: Any, *args: Any, **options: Any) -> Any:
            Counting.compiled.append(source)
            return super().compile(source, *args, **options)

    strategy.keep_compiled_templates(Counting, FileSystemBytecodeCache(str(tmp_path), "%s"))
    return Counting


def test_a_template_is_compiled_once(environment: Any) -> None:
    for name in "one", "two":
        assert environment().from_string("{% if n %}Hi {{ n }}{% endif %}").render(n=name) == f"Hi {name}"
    assert len(environment.compiled) == 1


def test_another_syntax_is_another_program(environment: Any) -> None:
    text = "{% if true %}\n[[ 1 + 1 ]]{{ 1 + 2 }}{% endif %}"
    assert environment().from_string(text).render() == "\n[[ 1 + 1 ]]3"
    assert environment(trim_blocks=True).from_string(text).render() == "[[ 1 + 1 ]]3"
    other = environment(variable_start_string="[[", variable_end_string="]]")
    assert other.from_string(text).render() == "\n2{{ 1 + 2 }}"
    assert len(environment.compiled) == 3


def test_a_wrong_template_fails_each_time(environment: Any) -> None:
    for _ in range(2):
        with pytest.raises(jinja2.TemplateSyntaxError):
            environment().from_string("{% if %}")


def test_the_cache_is_the_owners_only(
    strategy: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALICERCE_CACHE", str(tmp_path / "c"))
    assert strategy.cache_directory().stat().st_mode & 0o777 == 0o700
    monkeypatch.delenv("ALICERCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert strategy.cache_directory() == tmp_path / "alicerce" / "templates"


PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {
            "outer": {"list": [1]},
            "said": "{{ lookup('ansible.builtin.template', 'said.j2', template_vars={'more': 2}) }}",
        },
        "tasks": [{"ansible.builtin.debug": {"msg": "{{ said }}|{{ more | default('none') }}"}}],
    }
]


def test_ansible_gives_what_it_gave(tmp_path: Path) -> None:
    """The same playbook with plain Ansible and with the strategy, first without its cache and then with it."""
    (tmp_path / "play.json").write_text(json.dumps(PLAY))
    (tmp_path / "said.j2").write_text(
        "{% for each in outer.list %}{{ each }},{% endfor %}{{ more }} {{ template_path | basename }}"
    )
    said = []
    for strategy in "linear", "mitogen", "mitogen":
        run = subprocess.run(
            ["bash", "-c", f". {ROOT}/scripts/env && exec ansible-playbook --inventory localhost, play.json"],
            cwd=tmp_path,
            env=os.environ
            | {
                "ALICERCE_STRATEGY": strategy,
                "ALICERCE_CACHE": str(tmp_path / "cache"),
                "ANSIBLE_STRATEGY": "linear",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        said.append(re.findall(r"msg: (.*)", run.stdout))
    assert said == [["1,2 said.j2|none"]] * 3
    assert any((tmp_path / "cache" / "templates").iterdir())


def test_the_lookup_has_the_copy_that_is_replaced() -> None:
    assert ansible.plugins.lookup.template.deepcopy is copy.deepcopy
