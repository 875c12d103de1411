#!/usr/bin/python3
"""Stands in for Crossbar: `check`, and `start` with TLS and /health; a realm called `broken` ends it at once."""

import http.server
import json
import ssl
import sys
from pathlib import Path
from typing import Any


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        del format, args


def main() -> None:
    document = json.loads(Path(sys.argv[sys.argv.index("--config") + 1]).read_text())
    realms = [realm["name"] for realm in document["workers"][0]["realms"]]
    if sys.argv[1] == "check":
        sys.exit("refused is no realm" if "refused" in realms else 0)
    if "broken" in realms:
        sys.exit("cannot start realm broken")
    endpoint = document["workers"][0]["transports"][0]["endpoint"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(endpoint["tls"]["certificate"], endpoint["tls"]["key"])

    class Server(http.server.ThreadingHTTPServer):
        def get_request(self) -> tuple[Any, Any]:
            context.load_cert_chain(endpoint["tls"]["certificate"], endpoint["tls"]["key"])  # renewed meanwhile
            return super().get_request()

    server = Server((endpoint["interface"], endpoint["port"]), Health)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print("listening", flush=True)
    server.serve_forever()


main()
