"""What answers Prometheus on the network: `front.py LISTENING ASKING`, two descriptors. Standard library only.

It runs as an account that may do nothing, hands each question to who may look at the host (`ionman.metering.serve`),
and gives the answer on. It ends when that one does.
"""

import contextlib
import os
import select
import socket
import socketserver
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

AT_ONCE = 16  # connections; more are closed at once
SECONDS = 30.0  # for a connection as a whole, however slowly its request comes
TEXT = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus's text format
QUESTIONS = {"/metrics": (b"metrics\n", TEXT), "/health": (b"health\n", "application/json")}
WELCOME = b"ionman: /metrics is for Prometheus, /health says whether this host is well\n"


class Asking:
    """The one who knows, asked one question at a time."""

    def __init__(self, descriptor: int) -> None:
        self._file = socket.socket(fileno=descriptor).makefile("rwb")
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def ask(self, question: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; ends this process when nobody is there to answer."""
        with self._lock:
            try:
                self._file.write(question)
                self._file.flush()
                status, length = self._file.readline().split()
                return int(status), self._file.read(int(length))
            except (OSError, ValueError):
                os._exit(1)

    def end_with(self) -> None:
        """End this process when the other one has ended, also while nobody asks."""
        watched = select.poll()
        watched.register(self._descriptor, 0)  # an end is told without being asked for, poll(2)
        watched.poll()
        os._exit(1)


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD of what there is."""

    server_version = "ionman"
    sys_version = ""
    timeout = 5.0  # s that a peer may be silent
    asking: ClassVar[Asking]

    def setup(self) -> None:
        """Have an end, whatever the peer does."""
        super().setup()
        self._end = threading.Timer(SECONDS, self._cut)
        self._end.daemon = True
        self._end.start()

    def finish(self) -> None:
        """No end is needed any more."""
        self._end.cancel()
        with contextlib.suppress(OSError):  # the peer is gone
            super().finish()

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/":
            self._send(HTTPStatus.OK, TEXT, WELCOME)
        elif path in QUESTIONS:
            question, kind = QUESTIONS[path]
            status, body = self.asking.ask(question)
            self._send(status, kind, body)
        else:
            self._send(HTTPStatus.NOT_FOUND, TEXT, b"there is /metrics and /health\n")

    do_HEAD = do_GET  # noqa: N815

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing: a peer must not fill the log."""


class Front(socketserver.ThreadingTCPServer):
    """A thread for each connection, and not more than `AT_ONCE`."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self._free = threading.BoundedSemaphore(AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take it, or close it."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Give the place back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: what a peer does wrong is its own affair."""


def main(listening: int, asking: int) -> None:
    """Serve for ever."""
    Handler.asking = Asking(asking)
    threading.Thread(target=Handler.asking.end_with, daemon=True).start()
    with Front(socket.socket(fileno=listening)) as front:
        front.serve_forever(poll_interval=60)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
