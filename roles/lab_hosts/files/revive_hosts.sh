#!/usr/bin/env bash
# Start what is stopped or was killed with the machine, drop what cannot start, and print the hosts that run.
#   revive_hosts.sh PREFIX "HOST..."
set -uo pipefail
for host in $2; do
  container=$1-$host
  podman container exists "$container" || continue
  # podman's own record may be older than a reboot or a killed monitor: ask the host itself.
  if timeout 10 podman exec "$container" true >/dev/null 2>&1; then echo "$host"; continue; fi
  if [ "$(podman inspect --format '{{.State.Status}}' "$container" 2>/dev/null)" = paused ]; then podman unpause "$container" >/dev/null; fi
  timeout 30 podman stop --time 1 "$container" >/dev/null 2>&1
  podman container cleanup "$container" >/dev/null 2>&1
  if timeout 60 podman start "$container" >/dev/null 2>&1 && podman exec "$container" true 2>/dev/null; then
    echo "started $host" >&2; echo "$host"
  else
    echo "removed $host, which could not be started" >&2
    podman rm --force --time 0 "$container" >/dev/null || exit 1
  fi
done
