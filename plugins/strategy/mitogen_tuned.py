"""The strategy mitogen_linear, tuned in what it costs on the control node. What a playbook does is the same.

Ansible runs each task of each host in a fork of its own, which ends with the task: whatever a fork loads or computes is lost,
and the next one does it again. Measured with a sampling profiler on `site.yml` with nothing to do, three quarters of the
processor time of the control node went there. So:

- Plugins that nearly every task uses are loaded before the first fork (24 %: `ansible.builtin`'s filters load passlib).
- A template that was compiled once is read from a cache on disk (37 %), by Jinja's own bytecode cache, which Ansible leaves unused.
- The lookup `template` copies the names of its host's variables, not all their contents (20 %). Templates do not change variables.
- mitogen's pinning is off. It ties each of its processes, and so whatever a task starts on the control node, to some processors
  only. On a machine with two, everything that a playbook starts there (the lab's hosts) would share one of them for its whole life.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
import sys
from importlib.metadata import version
from typing import Any

import ansible_mitogen.affinity
import jinja2
from ansible._internal._templating._jinja_bits import AnsibleEnvironment
from ansible.plugins.loader import filter_loader, lookup_loader, test_loader
from jinja2.bccache import FileSystemBytecodeCache

ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()

import ansible_mitogen.loaders  # noqa: E402
import ansible_mitogen.strategy  # noqa: E402

Base = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)

VERSIONS = tuple(version(name) for name in ("ansible-core", "jinja2"))
SYNTAX = (
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "line_statement_prefix",
    "line_comment_prefix",
    "trim_blocks",
    "lstrip_blocks",
    "newline_sequence",
    "keep_trailing_newline",
)
"""The settings of an environment with which the same text becomes another program."""


def cache_directory() -> pathlib.Path:
    """Return the folder of compiled templates, which only its owner may use; made where there is none."""
    base = os.environ.get("ALICERCE_CACHE") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/alicerce"
    directory = pathlib.Path(base).expanduser() / "templates"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def keep_compiled_templates(environment: type[jinja2.Environment], cache: FileSystemBytecodeCache) -> None:
    """Let `environment` take a template's program from `cache` where it is there, and put it there where it is not."""
    compile_anew = environment.compile

    def compile_once(
        self: jinja2.Environment,
        source: Any,
        name: str | None = None,
        filename: str | None = None,
        **options: Any,
    ) -> Any:
        if options or not isinstance(source, str):
            return compile_anew(self, source, name, filename, **options)
        kind = (
            *VERSIONS,
            type(self).__qualname__,
            name,
            filename,
            *(getattr(self, each) for each in SYNTAX),
        )
        key = hashlib.sha256(repr((kind, str(source))).encode()).hexdigest()
        bucket = cache.get_bucket(self, key, None, source)
        if bucket.code is None:
            bucket.code = compile_anew(self, source, name, filename)
            cache.set_bucket(bucket)
        return bucket.code

    environment.compile = compile_once  # type: ignore[method-assign,assignment]


def load_what_tasks_use() -> None:
    """Load the filters, tests and lookups of ansible.builtin in this process, from which the tasks' are forked."""
    for loader in (filter_loader, test_loader):
        list(loader.all())
    template = lookup_loader.get("ansible.builtin.template", class_only=True)
    # Its copy protects variables from a template that changes them.
    sys.modules[template.__module__].deepcopy = dict  # type: ignore[attr-defined]


@functools.cache
def tune() -> None:
    """Make all of it so, once in a process."""
    keep_compiled_templates(AnsibleEnvironment, FileSystemBytecodeCache(str(cache_directory()), "%s"))
    load_what_tasks_use()


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, Base):  # type: ignore[misc, valid-type]
    """Run tasks as Ansible's own linear strategy does, over mitogen's connections."""

    def run(self, *arguments: Any, **options: Any) -> Any:
        """Run a play."""
        tune()
        return super().run(*arguments, **options)
