"""Stands in for every service of one host: tells over TLS with client certificates what it was asked."""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TLS = Path("/etc/alicerce/tls")


class Echo(BaseHTTPRequestHandler):
    """Answers every request with what it holds."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Answer, whatever the method."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode(errors="replace")
        asked = {
            "service": self.server.service,
            "host": sys.argv[1],
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body,
        }
        payload = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Keep the journal free of every request."""


def main() -> None:
    """Serve each SERVICE=PORT of the command line."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=TLS / "ca.crt")
    context.load_cert_chain(TLS / "host.crt", TLS / "host.key")
    context.verify_mode = ssl.CERT_REQUIRED
    for argument in sys.argv[2:]:
        service, port = argument.split("=")
        server = ThreadingHTTPServer(("", int(port)), Echo)
        server.daemon_threads = True
        server.service = service
        # Each thread does its own handshake: a client that is silent stops nobody else.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
