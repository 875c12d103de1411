"""Writes a history while the calls are made: from any thread, a line at a time, in a file for its owner alone."""

import itertools
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from ionman.probes import history
from ionman.probes.history import Header, Mark, Reply


class Record:
    """The file of one history, and the clock that all its times are of."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.began = 0.0  # time.monotonic
        self.sent = 0
        self.answered = 0
        self.recorded = 0

    def begin(self, header: Header) -> None:
        """Write the first line and start the clock."""
        self.began = time.monotonic()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._line(history.head(Header(header.uri, header.rate, header.callers, now, header.answer)))

    def at(self, moment: float | None = None) -> float:
        """Seconds since the beginning, now or at `moment` (time.monotonic)."""
        return (time.monotonic() if moment is None else moment) - self.began

    def number(self) -> int:
        """The number of the next call."""
        with self._lock:
            self.sent = next(self._numbers)
            return self.sent

    def reply(self, reply: Reply) -> None:
        """Write what became of a call; what comes after the end is not in the history, and so is lost."""
        line = history.reply_line(reply)
        with self._lock:
            if not self._file.closed:
                self.recorded += 1
                self.answered += reply.answers > 0
                self._file.write(line + "\n")

    def mark(self, name: str, status: int) -> None:
        """Begin another part."""
        self._line(history.mark_line(Mark(name, self.at(), status)))

    def callees(self, count: int) -> None:
        """Write how many callees there are from now on."""
        self._line(history.callees_line(self.at(), count))

    def end(self, strays: int) -> None:
        """Write the last line and close."""
        self._line(history.end_line(self.at(), self.sent, strays))
        with self._lock:
            self._file.close()

    def _line(self, line: str) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.write(line + "\n")
                self._file.flush()
