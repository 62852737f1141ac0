#!/usr/bin/env bash
# Start what is stopped or was killed with the machine, drop what cannot start, and print the hosts that run.
#   revive_hosts.sh PREFIX "HOST..."
set -uo pipefail

answers() {
  for _ in $(seq "$2"); do timeout 10 podman exec "$1" true >/dev/null 2>&1 && return 0; sleep 0.5; done
  return 1
}

for host in $2; do
  container=$1-$host
  podman container exists "$container" || continue
  # podman's own record may be older than a reboot or a killed monitor: ask the host itself.
  if answers "$container" 1; then echo "$host"; continue; fi
  if [ "$(podman inspect --format '{{.State.Status}}' "$container" 2>/dev/null)" = paused ]; then podman unpause "$container" >/dev/null; fi
  read -r id monitor < <(podman inspect --format '{{.Id}} {{.State.ConmonPid}}' "$container")
  if [ -d /run/libpod/exits ] && ! kill -0 "$monitor" 2>/dev/null; then
    # A monitor that was killed has not told how its host ended, and podman would wait for that word for ever: say it instead.
    [ -e "/run/libpod/exits/$id" ] || printf 137 > "/run/libpod/exits/$id"
  fi
  timeout 30 podman stop --time 1 "$container" >/dev/null 2>&1
  podman container cleanup "$container" >/dev/null 2>&1
  if timeout 60 podman start "$container" >/dev/null 2>&1 && answers "$container" 20; then
    echo "started $host" >&2; echo "$host"
  else
    echo "removed $host, which could not be started" >&2
    podman rm --force --time 0 "$container" >/dev/null || exit 1
  fi
done
