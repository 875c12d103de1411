"""Stands between a program and its logger, so that a log that cannot be written never stops the program.

``multilog`` pauses when its disk is full rather than lose a line; the pipe fills, the writer blocks, and with it every
call. The relay always reads, hands on what the logger takes, and when more than `LIMIT` bytes wait, drops whole lines,
counts them, and says how many as soon as the logger takes lines again. A logger that ends is started again.

Standard library only: it is copied beside the run script and run as ``python3 -IS relay.py LOGGER ARGUMENTS...``.
Ends with its input, or on SIGTERM (which is how `svc -d`, `svc -x` and systemd end it) after what waits there.
"""

import os
import select
import signal
import subprocess  # noqa: TID251 - runs alone on the host, without the package around it
import sys
import time
from collections.abc import Sequence

LIMIT = 1 << 20  # bytes that may wait
CHUNK = 1 << 16  # bytes read at once: a pipe's capacity, pipe(7)
PATIENCE = 2.0  # s that the logger gets at the end
PAUSE = 1.0  # s before a logger that ended is started again


class Backlog:
    """The lines that wait: a bounded queue that drops the newest and counts what it dropped."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._waiting = bytearray()
        self._begun = b""  # a line whose end has not come yet
        self.lines = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, data: bytes) -> None:
        """Take `data` in; a line longer than the limit is cut into lines."""
        data = self._begun + data
        end = data.rfind(b"\n") + 1
        self._begun = data[end:]
        if len(self._begun) > self._limit // 2:
            self._keep(self._begun + b"\n")
            self._begun = b""
        if end and not self.lines and len(self._waiting) + end <= self._limit:
            self._waiting += data[:end]
            return
        for line in data[:end].splitlines(keepends=True):
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        if self.lines or len(self._waiting) + len(line) > self._limit:
            self.lines += 1
            self.bytes += len(line)
        else:
            self._waiting += line

    def peek(self) -> bytes:
        """What can be handed on now."""
        return bytes(self._waiting[:CHUNK])

    def taken(self, count: int) -> None:
        """The logger took `count` bytes; with room again, say what was dropped."""
        del self._waiting[:count]
        if self.lines and len(self._waiting) <= self._limit // 2:
            self._waiting += (
                f"ionman: the log could not be written for a while; {self.lines} lines "
                f"({self.bytes} bytes) were dropped here\n"
            ).encode()
            self.lines = self.bytes = 0

    def finish(self) -> None:
        """No more will come: what was begun is a line too."""
        if self._begun:
            self._keep(self._begun + b"\n")
            self._begun = b""


class Logger:
    """The logger's process, started again when it ends; `pipe` is None while there is none."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._again = 0.0
        self.pipe: int | None = None

    def ensure(self) -> None:
        """Have a process, unless the last one ended only just now."""
        if self._process is not None and self._process.poll() is not None:
            self.lost()
        if self._process is None and time.monotonic() >= self._again:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603 - from log/run
            assert self._process.stdin is not None
            self.pipe = self._process.stdin.fileno()
            os.set_blocking(self.pipe, False)

    def write(self, data: bytes) -> int:
        """Hand `data` on; the number of bytes that were taken."""
        if self.pipe is None:
            return 0
        try:
            return os.write(self.pipe, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self.lost()
            return 0

    def lost(self) -> None:
        """The process ended by itself."""
        self.close(0)
        self._again = time.monotonic() + PAUSE

    def close(self, patience: float) -> None:
        """End the process: by the end of its input, and after `patience` seconds by force."""
        process, self._process, self.pipe = self._process, None, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Ended(Exception):  # noqa: N818 - not an error
    """SIGTERM came."""


def _end(*_: object) -> None:
    raise Ended


def relay(source: int, logger: Logger, backlog: Backlog) -> None:
    """Hand on from the descriptor `source` until it ends."""
    while True:
        logger.ensure()
        sinks = [logger.pipe] if logger.pipe is not None and len(backlog) else []
        ready, writable, _ = select.select([source], sinks, [], PAUSE)
        if ready:
            data = os.read(source, CHUNK)
            if not data:
                return
            backlog.add(data)
        if writable:
            backlog.taken(logger.write(backlog.peek()))


def rest(source: int, backlog: Backlog) -> None:
    """Take in what waits at the descriptor `source`: a pipe that somebody holds open has no end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and select.select([source], [], [], 0)[0]:
        data = os.read(source, CHUNK)
        if not data:
            return
        backlog.add(data)


def flush(logger: Logger, backlog: Backlog) -> None:
    """Hand on what waits, for as long as `PATIENCE` allows."""
    backlog.finish()
    deadline = time.monotonic() + PATIENCE
    while len(backlog) and time.monotonic() < deadline:
        logger.ensure()
        if select.select([], [logger.pipe] if logger.pipe is not None else [], [], 0.1)[1]:
            backlog.taken(logger.write(backlog.peek()))


def main(command: Sequence[str]) -> int:
    """Relay standard input to `command`."""
    signal.signal(signal.SIGTERM, _end)
    logger, backlog = Logger(command), Backlog()
    try:
        relay(0, logger, backlog)
    except Ended:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rest(0, backlog)
    flush(logger, backlog)
    logger.close(PATIENCE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
