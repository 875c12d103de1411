"""Answers to an ACME server that wants to see that a name is ours: a file over HTTP, or a record in the DNS."""

import http.server
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ionman.certificates.order import HTTP, Order
from ionman.errors import CommandFailed, ConfigurationError, NotPossible
from ionman.process import run

HOOK_SECONDS = 120.0
RECORD = "_acme-challenge"  # RFC 8555, 8.4


@dataclass
class Answers:
    """What is answered now: texts by path, and records (name, text)."""

    order: Order
    texts: dict[str, str] = field(default_factory=dict)
    records: list[tuple[str, str]] = field(default_factory=list)

    def give(self, name: str, path: str, validation: str) -> None:
        """Answer for `name` with `validation`: at `path`, or in its record."""
        if self.order.challenge == HTTP:
            self.texts[path] = validation
            return
        record = f"{RECORD}.{name.removeprefix('*.')}"
        self.records.append((record, validation))
        _hook(self.order, "add", record, validation)

    def settle(self) -> None:
        """Wait until the world sees the records."""
        if self.records:
            time.sleep(self.order.wait)


@contextmanager
def answering(order: Order) -> Iterator[Answers]:
    """Answer until the end; what was given is taken away again."""
    answers = Answers(order)
    server = _listen(order, answers.texts) if order.challenge == HTTP else None
    try:
        yield answers
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()
        for record, validation in answers.records:
            with suppress(NotPossible):  # a record that stays harms nobody; the certificate counts
                _hook(order, "remove", record, validation)


def _hook(order: Order, verb: str, record: str, validation: str) -> None:
    try:
        run([order.hook, verb, record, validation], timeout=HOOK_SECONDS)
    except CommandFailed as error:
        what = f"the DNS hook could not {verb} {record}: {error.message}"
        raise NotPossible(what, remedy=f"try it by hand: {order.hook} {verb} {record} test") from error
    except PermissionError as error:
        raise ConfigurationError(f"{order.hook} cannot be run", remedy="make it executable") from error


def _listen(order: Order, texts: Mapping[str, str]) -> http.server.HTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            text = texts.get(self.path)
            body = (text or "").encode()
            self.send_response(200 if text else 404)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *what: Any) -> None:
            """Say nothing: the outcome says it."""

    try:
        server = http.server.ThreadingHTTPServer((order.address, order.port), Handler)
    except OSError as error:
        where = f"port {order.port}{f' of {order.address}' if order.address else ''}"
        what = f"{where} is needed to answer http-01, and cannot be had: {error.strerror}"
        raise NotPossible(what, remedy="free it, or pass it on to another (certificate_acme: port)") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
