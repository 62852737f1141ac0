#!/usr/bin/env python3
"""Stands where Elasticsearch does: takes requests to _bulk over TLS as it would, and writes what it took into a file.

A record whose message begins with "poison" never fits its mapping; one that begins with "busy" is taken at the third time.
What real servers say to all this is tested with the role elasticsearch.
"""

import base64
import json
import ssl
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS, PORT, TLS, PASSWORD, TARGET = (
    sys.argv[1],
    int(sys.argv[2]),
    Path(sys.argv[3]),
    sys.argv[4],
    Path(sys.argv[5]),
)
EXPECTED = "Basic " + base64.b64encode(f"log_writer:{Path(PASSWORD).read_text()}".encode()).decode()
taken: set[str] = set()
tries: Counter[str] = Counter()


def answer(operation: dict, record: dict) -> dict:
    said = {"_index": operation["_index"], "_id": operation["_id"]}
    if record["message"].startswith("poison"):
        reason = "failed to parse field [status] of type [short]"
        return said | {"status": 400, "error": {"type": "document_parsing_exception", "reason": reason}}
    if record["message"].startswith("busy"):
        tries[operation["_id"]] += 1
        if tries[operation["_id"]] < 3:
            return said | {
                "status": 429,
                "error": {"type": "es_rejected_execution_exception", "reason": "busy"},
            }
    if operation["_id"] in taken:
        reason = "document already exists"
        return said | {
            "status": 409,
            "error": {"type": "version_conflict_engine_exception", "reason": reason},
        }
    taken.add(operation["_id"])
    with TARGET.open("a") as file:
        file.write(
            json.dumps({"index": operation["_index"], "id": operation["_id"], "record": record}) + "\n"
        )
    return said | {"status": 201, "result": "created"}


class Bulk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode().splitlines()
        if self.headers["Authorization"] != EXPECTED:
            self.tell(401, {"error": {"type": "security_exception"}, "status": 401})
            return
        items = [
            answer(json.loads(a)["create"], json.loads(b))
            for a, b in zip(lines[::2], lines[1::2], strict=True)
        ]
        self.tell(
            200, {"errors": any("error" in i for i in items), "items": [{"create": item} for item in items]}
        )

    def do_GET(self) -> None:
        self.tell(200, {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing: it would be shipped, and so be said again, for ever."""

    def tell(self, status: int, what: dict) -> None:
        content = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=TLS / "ca.crt")
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(TLS / "host.pem")
server = ThreadingHTTPServer((ADDRESS, PORT), Bulk)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
