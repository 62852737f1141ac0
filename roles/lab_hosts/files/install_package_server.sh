#!/usr/bin/env bash
# Install apt-cacher-ng in the package server's container; prints "installed", or "there" when nothing was to do.
set -euo pipefail
container=$1
exec 9>"/run/lock/$container.lock"
flock 9
if podman exec "$container" systemctl is-active --quiet apt-cacher-ng; then echo there; exit 0; fi
podman exec -i "$container" sh -eu >&2 <<'END'
systemctl is-system-running --wait >/dev/null || true
rm -f /etc/apt/apt.conf.d/01lab
export DEBIAN_FRONTEND=noninteractive
# It starts below, once its cache, which comes from outside, belongs to it.
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
dpkg --configure -a
apt-get update -qq
apt-get install -qq -y --no-install-recommends apt-cacher-ng
rm /usr/sbin/policy-rc.d
cat > /etc/apt-cacher-ng/zz_lab.conf <<'CONF'
Port: 8080
LocalDirs: alicerce /srv/apt-repository
ReportPage:
ExThreshold: 30
CONF
chown -R apt-cacher-ng:apt-cacher-ng /var/cache/apt-cacher-ng
systemctl enable --quiet apt-cacher-ng
systemctl restart apt-cacher-ng
END
echo installed
