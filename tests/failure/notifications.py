"""What people are told of alerts: a catcher of webhooks and mail on the clients' host, and what Prometheus itself says."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.failure.platform import CLIENT_HOST, FIXTURES, Platform, PlatformError

WEBHOOK_PORT = 9911
MAIL_PORT = 5870
NAME = f"{CLIENT_HOST}.alicerce.internal"
TLS = "/etc/alicerce/tls"
CAUGHT = "/run/catcher/caught"
MAIL = {"page": "night@example.com", "ticket": "day@example.com"}
RECEIVERS = {
    "alertmanager_mail_smarthost": f"{NAME}:{MAIL_PORT}",
    "alertmanager_mail_ca_file": f"{TLS}/ca.crt",
    **{f"alertmanager_{severity}_mail": [address] for severity, address in MAIL.items()},
    **{
        f"alertmanager_{severity}_webhooks": [
            {"url": f"https://{NAME}:{WEBHOOK_PORT}/{severity}", "ca_file": f"{TLS}/ca.crt"}
        ]
        for severity in MAIL
    },
}
"""The role's variables that have the Alertmanager tell the catcher."""


def ask(platform: Platform, query: str) -> list[dict[str, Any]]:
    """Return what Prometheus finds now: a list of `metric` (labels) and `value` (time, text)."""
    host = platform.members("observability")[0]
    client = "--http.config.file=/etc/prometheus/client.yml https://127.0.0.1:9090"
    return list(
        json.loads(platform.ssh(host, f"promtool query instant -o json {client} {shlex.quote(query)}"))
    )


def await_quiet(platform: Platform, matcher: str, patience: float = 600) -> None:
    """Wait until no alert with such labels fires or is about to. Raises PlatformError."""
    deadline = time.monotonic() + patience
    while left := ask(platform, f"ALERTS{{{matcher}}}"):
        if time.monotonic() > deadline:
            raise PlatformError(f"not quiet after {patience:.0f} s: {[alert['metric'] for alert in left]}")
        time.sleep(10)


@dataclass(frozen=True)
class Told:
    """When an alert came by each way, and as what."""

    webhook: float
    mail: float
    alert: dict[str, Any]


class Catcher:
    """Hears what the Alertmanager tells: all that has come, line by line."""

    def __init__(self, platform: Platform) -> None:
        address = platform.address(CLIENT_HOST)
        program = (FIXTURES / "catcher.py").read_text()
        platform.feed(
            CLIENT_HOST,
            "bash",
            f"""set -euo pipefail
apt-get install --yes --no-install-recommends python3-aiosmtpd </dev/null >/dev/null
nft insert rule inet alicerce input tcp dport '{{ {WEBHOOK_PORT}, {MAIL_PORT} }}' accept
install --mode=0755 /dev/stdin /usr/local/bin/catcher <<'PROGRAM'
{program}
PROGRAM
mkdir --parents $(dirname {CAUGHT})
touch {CAUGHT}
systemd-run --quiet --collect --unit=catcher /usr/local/bin/catcher {CAUGHT} --certificate {TLS}/host.crt --key {TLS}/host.key \
  --webhooks {address}:{WEBHOOK_PORT} --mail {address}:{MAIL_PORT}
sleep 3
systemctl is-active catcher
""",
        )
        self._lines: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        self._tail = subprocess.Popen(
            [*platform.ssh_argv(CLIENT_HOST), "sudo", "tail", "--lines=+1", "--follow", CAUGHT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._tail.stdout is not None
        for line in self._tail.stdout:
            with self._arrived:
                self._lines.append(json.loads(line))
                self._arrived.notify_all()

    def close(self) -> None:
        """Hear no more."""
        self._tail.kill()
        self._tail.wait()

    def heard(self, since: float) -> Iterator[tuple[float, dict[str, Any]]]:
        """Yield each alert that came by webhook since a time, and when."""
        for line in list(self._lines):
            if "body" in line and line["at"] >= since:
                for alert in line["body"]["alerts"]:
                    yield line["at"], alert

    def _mail(self, alert: Mapping[str, Any], since: float) -> float | None:
        for line in list(self._lines):
            if "text" not in line or line["at"] < since:
                continue
            # What fires stands before what is over.
            fires, _, is_over = line["text"].partition("] Resolved")
            text = fires if alert["status"] == "firing" else is_over
            words = [f"{name} = {value}" for name, value in alert["labels"].items()]
            words += [f"runbook = {alert['annotations']['runbook']}"]
            if (
                all(" ".join(word.split()) in text for word in words)
                and line["to"] == [MAIL[alert["labels"]["severity"]]]
                and alert["labels"]["alertname"] in line["subject"]
            ):
                return float(line["at"])
        return None

    def _told(self, status: str, labels: Mapping[str, str], since: float) -> Told | None:
        for at, alert in self.heard(since):
            if alert["status"] == status and labels.items() <= alert["labels"].items():
                mail = self._mail(alert, since)
                return Told(at, mail, alert) if mail else None
        return None

    def await_told(self, status: str, labels: Mapping[str, str], since: float, within: float) -> Told | None:
        """Wait until an alert with these labels has come by webhook and by mail; None when it has not within so many seconds of `since`."""
        with self._arrived:
            while not (told := self._told(status, labels, since)):
                left = since + within - time.time()
                if left <= 0:
                    return None
                self._arrived.wait(min(left, 5))
        return told


@contextlib.contextmanager
def told_to_catcher(platform: Platform, **further: Any) -> Iterator[Catcher]:
    """Have the Alertmanager tell a catcher while it lasts; `further` are more of the roles' variables."""
    catcher = Catcher(platform)
    try:
        variables = json.dumps(RECEIVERS | further)
        platform.ansible("site.yml", "--tags", "alertmanager", "--extra-vars", variables, further=False)
        yield catcher
    finally:
        catcher.close()
        platform.ansible("site.yml", "--tags", "alertmanager", further=False)
        platform.ssh(CLIENT_HOST, "systemctl stop catcher")
