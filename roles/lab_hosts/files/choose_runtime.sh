#!/usr/bin/env bash
# Print the first container runtime that boots a host of the image; fail with each one's reason when none does.
#   choose_runtime.sh IMAGE CONTAINER OPEN_FILES "RUNTIME..."
set -uo pipefail
image=$1 container=$2 files=$3 reasons=
trap 'podman rm --force --time 0 "$container" >/dev/null 2>&1' EXIT
for runtime in $4; do
  if ! command -v "$runtime" >/dev/null; then reasons+="  $runtime: not installed (apt-get install $runtime)"$'\n'; continue; fi
  podman rm --force --time 0 "$container" >/dev/null 2>&1
  if ! said=$(podman --runtime "$runtime" run --detach --name "$container" --systemd=always --privileged --network none \
      --ulimit "nofile=$files:$files" --ulimit nproc=32768:32768 \
      --log-driver none "$image" /sbin/init 2>&1); then
    reasons+="  $runtime: $(tail -n 1 <<<"$said")"$'\n'; continue
  fi
  for _ in $(seq 30); do
    state=$(podman exec "$container" systemctl is-system-running 2>/dev/null)
    case "$state" in running|degraded) printf %s "$runtime"; exit 0 ;; esac
    sleep 1
  done
  reasons+="  $runtime: systemd did not come up within 30 s (state: ${state:-none})"$'\n'
done
{ echo "No container runtime boots a host with systemd on this machine:"; printf %s "$reasons"
  echo "The lab needs root, podman, one of these runtimes, and cgroups that a container may manage."; } >&2
exit 1
