"""Module: only the description; the action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = """
module: apt_present
short_description: Have Debian packages installed
description:
  - M(ansible.builtin.apt) with its options, which is asked only where one of the packages is missing or has another version than asked for. It reads
    all of apt's lists each time, half a second of processor time a host, and most runs have nothing to install.
  - Where O(update_cache) is true it is asked in any case.
options:
  name:
    description: Packages, each C(PACKAGE) or C(PACKAGE=VERSION); the version may have wildcards.
    type: list
    elements: str
    required: true
  update_cache: {type: bool, default: false, description: Read the lists of the repositories anew first.}
  install_recommends: {type: bool, description: See M(ansible.builtin.apt).}
  allow_downgrade: {type: bool, default: false, description: See M(ansible.builtin.apt).}
  policy_rc_d: {type: int, description: See M(ansible.builtin.apt).}
attributes:
  check_mode: {support: full, description: As M(ansible.builtin.apt).}
author: [Alicerce]
"""
