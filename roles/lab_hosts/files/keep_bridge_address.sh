#!/usr/bin/env bash
# Keep the address of a network's bridge; prints "kept" when it was not kept yet.
# By itself a bridge has that of one of its ports, and another one when the port's host goes: connections from this machine to the other hosts then hang.
set -euo pipefail
bridge=$(podman network inspect --format '{{.NetworkInterface}}' "$1")
# 3: somebody has set it (NET_ADDR_SET).
[ "$(cat "/sys/class/net/$bridge/addr_assign_type")" != 3 ] || exit 0
ip link set dev "$bridge" address "$(cat "/sys/class/net/$bridge/address")"
echo kept
