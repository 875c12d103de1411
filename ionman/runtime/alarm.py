"""A deadline for code that does not give control back: an exception raised inside it by SIGALRM.

Methods run in the main thread, as signals do, so a plain method that loops or sleeps for ever can be ended
(setitimer(2)). Elsewhere than in the main thread there is no such deadline.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LAST_SECONDS = 0.5  # what begins after the end, the clearing up of what was cancelled, has this long


class Overdue(BaseException):
    """The deadline passed; raised inside the code that was running."""


class Ending(Overdue):
    """The process is to end, and its time to finish what is in flight has passed."""


class _End:
    """When the process is to have finished (time.monotonic), and what is done before anything is broken off for it."""

    at = float("inf")
    first: Callable[[], object] = staticmethod(lambda: None)


def end_within(seconds: float, first: Callable[[], object]) -> None:
    """Break off, in `seconds` from now, what then runs without giving control back, and what begins after that.

    For a signal's handler: a plain method holds up everything else, the drain and its deadline too. `first` is called
    just before, every time.
    """
    _End.at, _End.first = min(_End.at, time.monotonic() + seconds), first
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if signal.getsignal(signal.SIGALRM) is _ring and left > seconds:
        _set(max(seconds, 0.001))


def left(most: float) -> float:
    """Return the seconds that are left to finish, at most `most`."""
    return max(min(most, _End.at - time.monotonic()), 0.0)


def _ring(number: int, frame: FrameType | None) -> None:
    del number, frame
    if time.monotonic() >= _End.at - 0.001:
        _End.first()
        raise Ending
    raise Overdue


def _set(seconds: float) -> tuple[float, float]:
    """Set the timer; it rings again every tenth of the time, should the first be swallowed by a bare except."""
    return signal.setitimer(signal.ITIMER_REAL, seconds, max(seconds / 10, 0.1))


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `Overdue` inside the block when it runs longer than `seconds`; a block within a block keeps the outer's.

    A timer that somebody else has set (a test runner's) goes on afterwards.
    """
    foreign = signal.getsignal(signal.SIGALRM)
    if threading.current_thread() is not threading.main_thread() or foreign is _ring:
        yield
        return
    signal.signal(signal.SIGALRM, _ring)
    started = time.monotonic()
    theirs, interval = _set(max(left(seconds), min(seconds, LAST_SECONDS)))
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # should it ring just here
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, foreign if foreign is not None else signal.SIG_DFL)
            if theirs:
                rest = max(theirs - (time.monotonic() - started), 0.001)
                signal.setitimer(signal.ITIMER_REAL, rest, interval)
