"""A deadline for code that does not give control back: an exception raised inside it by SIGALRM.

Methods run in the main thread, as signals do, so a plain method that loops or sleeps for ever can be ended
(setitimer(2)). Elsewhere than in the main thread there is no such deadline.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Overdue(BaseException):
    """The deadline passed; raised inside the code that was running."""


def _ring(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Overdue


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
    # Again every tenth of the time, should the first be swallowed by a bare except.
    theirs, interval = signal.setitimer(signal.ITIMER_REAL, seconds, max(seconds / 10, 0.1))
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # should it ring just here
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, foreign if foreign is not None else signal.SIG_DFL)
            if theirs:
                left = max(theirs - (time.monotonic() - started), 0.001)
                signal.setitimer(signal.ITIMER_REAL, left, interval)
