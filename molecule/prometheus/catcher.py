#!/usr/bin/env python3
"""Writes each POST that comes to a port of loopback into a file, one JSON object a line: path and body."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

PORT, FILE = int(sys.argv[1]), Path(sys.argv[2])


class Catcher(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with FILE.open("a") as file:
            file.write(json.dumps({"path": self.path, "body": body}) + "\n")
        self.send_response(200)
        self.end_headers()


HTTPServer(("127.0.0.1", PORT), Catcher).serve_forever()
