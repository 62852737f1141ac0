"""Stands in for what HAProxy asks beside the service: the firewall, which blocks its probe, and the frontend. Arguments: their ports."""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TLS = Path("/etc/alicerce/tls")


class Firewall(BaseHTTPRequestHandler):
    """Blocks everything."""

    status = 403

    def do_GET(self):
        """Answer."""
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Keep the journal free of every probe."""


class Frontend(Firewall):
    """Has a page."""

    status = 200


def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=TLS / "ca.crt")
    context.load_cert_chain(TLS / "host.crt", TLS / "host.key")
    firewall = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Firewall)
    frontend = ThreadingHTTPServer(("", int(sys.argv[2])), Frontend)
    frontend.socket = context.wrap_socket(frontend.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=firewall.serve_forever, daemon=True).start()
    frontend.serve_forever()


if __name__ == "__main__":
    main()
