"""The strategy mitogen_linear without its pinning of processes to processors.

mitogen ties each of its processes, and so whatever a task starts on the control node, to some processors only. On a machine
with two, everything that a playbook starts there (the lab's hosts) would share one of them for its whole life.
"""

from __future__ import annotations

import ansible_mitogen.affinity

ansible_mitogen.affinity.policy = ansible_mitogen.affinity.Policy()

import ansible_mitogen.loaders  # noqa: E402
import ansible_mitogen.strategy  # noqa: E402

Base = ansible_mitogen.loaders.strategy_loader.get("linear", class_only=True)


class StrategyModule(ansible_mitogen.strategy.StrategyMixin, Base):  # type: ignore[misc, valid-type]
    """Run tasks as Ansible's own linear strategy does, over mitogen's connections."""
