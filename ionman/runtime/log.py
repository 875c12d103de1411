"""Log lines: one a line, without secrets, and never a reason to stop.

A logger that pauses (multilog on a full disk) fills the pipe and would block the whole service at its next line. So the
pipe is made non-blocking: lines that do not fit are dropped and counted, and the count is told when lines fit again.
"""

import logging
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from zope.interface import implementer

from ionman.errors import ConfigurationError

# What is told of what others log. Autobahn tells of its own errors through the session, where the runtime words them.
QUIET = ("autobahn", "txaio", "twisted", "log_legacy", "-", "stdout", "stderr")
LEVELS = [LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error, LogLevel.critical]
BRIDGED = (
    (logging.CRITICAL, LogLevel.critical),
    (logging.ERROR, LogLevel.error),
    (logging.WARNING, LogLevel.warn),
    (logging.INFO, LogLevel.info),
    (0, LogLevel.debug),
)
WAITING_LINES = 1000  # kept until `open`


def wanted(event: dict[str, Any], *, debug: bool) -> bool:
    """Whether a log event becomes a line: the runtime's and the author's from info on, others' from error on."""
    namespace = str(event.get("log_namespace", "-"))
    level = event.get("log_level") or LogLevel.info
    if namespace.startswith("autobahn"):
        return level is LogLevel.critical
    if namespace in ("stdout", "stderr"):
        return True
    lowest = LogLevel.error if namespace.startswith(QUIET) else (LogLevel.debug if debug else LogLevel.info)
    return LEVELS.index(level) >= LEVELS.index(lowest)


def line(event: dict[str, Any], name: str) -> str:
    """Return the text of an event, with its traceback if it carries a failure; control characters are made visible."""
    when = datetime.fromtimestamp(event.get("log_time", 0.0), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    level = (event.get("log_level") or LogLevel.info).name
    text = formatEvent(event) or str(event.get("log_io", ""))
    if "log_failure" in event:
        text = f"{text}\n{event['log_failure'].getTraceback().rstrip()}"
    clean = "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
    # What follows the first line is indented, so that nothing in a value can look like a line of its own.
    return f"{when} {level} {name}: " + clean.replace("\n", "\n  ") + "\n"


class Sink:
    """A file descriptor that takes whole lines or none; `dropped` counts those it did not take."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.dropped = 0

    def write(self, text: str) -> None:
        """Write one line, if it can be written now."""
        if self._rest and not self._push(b""):
            self.dropped += 1
            return
        if self.dropped:
            told = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} warn log: {self.dropped} lines were dropped\n"
            if not self._push(told.encode()):
                self.dropped += 1
                return
            self.dropped = 0
        if not self._push(text.encode("utf-8", "backslashreplace")):
            self.dropped += 1

    def _push(self, data: bytes) -> bool:
        """Write the rest of the last line, then `data`; False if nothing of `data` was taken."""
        waiting = self._rest + data
        try:
            taken = os.write(self._descriptor, waiting)
        except OSError:  # EAGAIN: the pipe is full; EPIPE, ENOSPC, EIO: nobody to write for, now
            return False
        if taken < len(self._rest):
            self._rest = self._rest[taken:]
            return False
        self._rest = waiting[taken:]
        return True


@implementer(ILogObserver)
class Observer:
    """Keeps the first lines until it is known where they go, then writes each as it comes."""

    def __init__(self, name: Callable[[], str], *, debug: bool) -> None:
        self._name = name
        self._debug = debug
        self._early: list[dict[str, Any]] = []
        self._sink: Sink | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take one event of `twisted.logger`."""
        if not wanted(event, debug=self._debug):
            return
        if self._sink is None:
            self._early = [*self._early, event][-WAITING_LINES:]
        else:
            self._sink.write(line(event, self._name()))

    def open(self, descriptor: int) -> None:
        """Write to `descriptor` from now on, first what has waited."""
        early, self._early = self._early, []
        self._sink = Sink(descriptor)
        for event in early:
            self._sink.write(line(event, self._name()))


def destination(logfile: Path) -> int:
    """Return the descriptor for log lines: standard output, or `logfile` where that is /dev/null, as for a daemon."""
    there = os.fstat(1)
    if stat.S_ISCHR(there.st_mode) and there.st_rdev == Path(os.devnull).stat().st_rdev:
        return open_file(logfile)
    # A pipe only: a terminal's or file's flags are shared with others, and files never block for long.
    if stat.S_ISFIFO(there.st_mode):
        os.set_blocking(1, False)
    if stat.S_ISFIFO(os.fstat(2).st_mode):
        os.set_blocking(2, False)
    return 1


def open_file(logfile: Path) -> int:
    """Open `logfile` for lines at its end; raises `ConfigurationError`."""
    try:
        return os.open(logfile, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ConfigurationError(
            f"{logfile}: the log file cannot be written: {error.strerror}",
            remedy="set logfile to a place that the service's user may write",
        ) from error


class Bridge(logging.Handler):
    """Brings what modules log with Python's own `logging` to the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on, with its traceback if it has one."""
        level = next(one for number, one in BRIDGED if record.levelno >= number)
        Logger(namespace=f"python.{record.name}").emit(level, "{text}", text=self.format(record))


def bridge(*, debug: bool) -> None:
    """Take over Python's `logging`."""
    logging.basicConfig(handlers=[Bridge()], level=logging.DEBUG if debug else logging.INFO, force=True)
