#!/usr/bin/env bash
# Build the root file system of a lab host from Debian's archive and import it as a podman image.
#   build_host_image.sh IMAGE RELEASE MIRROR CACHE_DIR [PACKAGE...]
# Does nothing and prints "exists" when the image is there; prints "built" otherwise.
set -euo pipefail
image=$1 release=$2 mirror=$3 cache=$4
shift 4

mkdir -p "$cache"
# One build at a time on this machine; the kernel drops the lock with the process, so it cannot go stale.
exec 9>"$cache/host-image.lock"
flock 9
if podman image exists "$image"; then echo exists; exit 0; fi

work=$(mktemp -d "$cache/host-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
find "$cache" -maxdepth 1 -name 'host-image.??????' -not -path "$work" -exec rm -rf {} +

# Who has the packages already needs their lists too: nothing else would fetch them.
further=()
for package; do further+=("--include=$package"); done
[ $# = 0 ] || further+=(--skip=cleanup/apt/lists)

files=$(cd "$(dirname "$0")/image" && pwd)
mmdebstrap --quiet --variant=minbase \
  --include=systemd-sysv,dbus,openssh-server,python3,python3-apt,sudo,iproute2,ca-certificates,kmod,procps "${further[@]}" \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --customize-hook='mkdir -p "$1/usr/share/man/man1"' \
  --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash admin' \
  --customize-hook='install -m 440 "'"$files"'/sudoers" "$1/etc/sudoers.d/lab-admin"' \
  --customize-hook='install -m 644 -t "$1/etc/systemd/system" "'"$files"'"/*.service' \
  --customize-hook='install -m 755 "'"$files"'/lab-seed" "$1/usr/local/sbin/lab-seed"' \
  --customize-hook='chroot "$1" systemctl --quiet enable lab-seed.service lab-mounts.service ssh.service' \
  --customize-hook='chroot "$1" systemctl --quiet disable ssh.socket || true' \
  --customize-hook='chroot "$1" systemctl --quiet mask systemd-modules-load.service apt-daily.timer apt-daily-upgrade.timer systemd-udevd.service systemd-networkd-wait-online.service getty.target console-getty.service' \
  --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id && touch "$1/etc/machine-id"' \
  "$release" "$work/root.tar" "$mirror" >&2
podman import --quiet --change 'CMD ["/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' "$work/root.tar" "$image" >/dev/null
echo built
