"""A way to a router that can be cut, frozen or closed, without harm to the router."""

import contextlib
import socket
import struct
import threading
from typing import Self

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Relay:
    """Listens on a port of its own and passes everything on to `port` of 127.0.0.1. Use it as a context manager."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"localhost:{self._listener.getsockname()[1]}"
        self.mute = 0  # so many connections more are taken, and nothing is passed on
        self.taken = 0
        self._flows = threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._ended = False

    def __enter__(self) -> Self:
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended = True
        self._flows.set()
        self.close()

    def freeze(self) -> None:
        """Pass on nothing more; connections stay."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on again."""
        self._flows.set()

    def cut(self) -> None:
        """Reset all connections."""
        while self._open:
            with contextlib.suppress(OSError), self._open.pop() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Listen no more, and reset all connections."""
        with contextlib.suppress(OSError):  # wakes the thread that waits in accept()
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _take(self) -> None:
        while not self._ended:
            try:
                near = self._listener.accept()[0]
                self.taken += 1
                self._open.append(near)
                if self.mute:
                    self.mute -= 1
                    continue
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open.append(far)
            except OSError:  # nothing listens there now
                near.shutdown(socket.SHUT_RDWR)
                continue
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while self._flows.wait() and (data := source.recv(1 << 16)):
                self._flows.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
