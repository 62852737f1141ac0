#!/usr/bin/env bash
# Put what tells how this host does into one archive, readable for root only, and print its path. Changes nothing else.
#   collect.sh SINCE MEGABYTES PATH...
# SINCE as journalctl knows it; at most so many megabytes of each unit's journal; PATHs, which may have wildcards, are the configuration.
set -uo pipefail
umask 077
since=$1 bytes=$(($2 * 1024 * 1024))
shift 2
work=$(mktemp --directory /var/tmp/alicerce-diagnostics.XXXXXX) || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/$(hostname --short)
mkdir -p "$out"/{journal,system}

# What a command prints, and how it ended where that was badly. One that hangs is left behind.
note() {
  local file=$1; shift
  timeout 60 "$@" >"$out/system/$file" 2>&1 || echo "[$* ended with $?]" >>"$out/system/$file"
}
note kernel          uname --all
note uptime          uptime
note clock           timedatectl
note units           systemctl list-units --all --no-pager --plain
note units-failed    systemctl --failed --no-pager --plain
note unit-files      systemctl list-unit-files --no-pager --plain
note timers          systemctl list-timers --all --no-pager
note boots           journalctl --list-boots --no-pager
note disks           df --human-readable --print-type
note inodes          df --inodes
note block-devices   lsblk
note mounts          findmnt
note memory          free --mebi
note meminfo         cat /proc/meminfo
note pressure        grep . /proc/pressure/cpu /proc/pressure/io /proc/pressure/memory
note load            vmstat 1 3
# Names only: arguments are nobody's business.
note processes       ps -e -o pid,ppid,user,stat,lstart,pcpu,rss,vsz,nlwp,comm --sort=-rss
note sockets         ss --summary
note listening       ss --tcp --udp --listening --numeric --processes
note connections     ss --tcp --numeric --processes
note addresses       ip address
note routes          ip route show table all
note firewall        nft list ruleset
note packages        dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\n'
note upgradable      apt-get --simulate --quiet upgrade
note restart-marks   ls -l /var/lib/alicerce/restart
note certificates    bash -c 'for file in /etc/alicerce/tls/*.crt; do echo "$file"; openssl x509 -in "$file" -noout -subject -dates; done'

journalctl --dmesg --since="$since" --no-pager --output=short-iso 2>&1 | tail --bytes="$bytes" >"$out/journal/kernel"
# Of every unit that wrote something: a service that nobody thought of is often the one.
journalctl --since="$since" --no-pager --field=_SYSTEMD_UNIT 2>/dev/null | sort --unique |
  while read -r unit; do
    case $unit in session-*|user@*|'') continue ;; esac
    journalctl --since="$since" --no-pager --output=short-iso-precise --unit="$unit" 2>&1 | tail --bytes="$bytes" >"$out/journal/$unit"
    # The field's values are of all times.
    if grep --quiet --line-regexp -e '-- No entries --' "$out/journal/$unit"; then rm "$out/journal/$unit"; fi
  done

# Wildcards are expanded here, on purpose.
for path in $*; do
  if [ -f "$path" ]; then mkdir -p "$out/configuration$(dirname "$path")"; cp "$path" "$out/configuration$path"; fi
done

archive=$(mktemp /var/tmp/alicerce-diagnostics.XXXXXX.tar.gz) || exit 1
tar --create --gzip --file="$archive" --directory="$work" "$(basename "$out")" || { rm -f "$archive"; exit 1; }
echo "$archive"
