#!/usr/bin/env python3
"""Hand on what a program of this host tells Prometheus on loopback, over TLS and only to clients with a certificate."""

from __future__ import annotations

import argparse
import urllib.request
from http.server import BaseHTTPRequestHandler

from exporter_server import ANSWER_SECONDS, Server, arguments


def handler(url: str) -> type[BaseHTTPRequestHandler]:
    """Return what answers each request with the program's own answer, and with 502 where there is none."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 (http, of this host)
                    kind, body = answer.headers["Content-Type"], answer.read()
            except OSError as error:
                self.send_error(502, explain=str(error))
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing of each scrape; what went wrong is told."""

    return Handler


def main() -> None:
    """Serve until the process is stopped."""
    parser = arguments(__doc__)
    parser.add_argument("--url", required=True, help="where the program tells its metrics")
    options: argparse.Namespace = parser.parse_args()
    Server(options, handler(options.url)).serve_forever()


if __name__ == "__main__":
    main()
