#!/usr/bin/env bash
# Remove the containers of one lab, running or not; with the lab's own name also its package server and its network.
#   remove_hosts.sh PREFIX NETWORK
# Prints what it removed.
set -uo pipefail
prefix=$1 network=$2 failed=0
pattern="^$prefix-"
# The lab's own hosts have one more name part than its prefix; `make down` passes the network's name and takes everything on it.
for container in $(podman ps --all --format '{{.Names}}' | grep -E "$pattern" || true); do
  podman unpause "$container" >/dev/null 2>&1
  if podman rm --force --volumes --time 1 "$container" >/dev/null 2>&1 || podman rm --force --volumes --time 0 "$container" >/dev/null; then
    echo "$container"
  else
    failed=1
  fi
done
if [ "$prefix" = "$network" ] && podman network exists "$network"; then
  if podman network rm --force "$network" >/dev/null; then echo "network $network"; else failed=1; fi
fi
exit $failed
