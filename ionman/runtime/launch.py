"""`python -m ionman.runtime.launch ARGUMENTS`: twistd, which a signal ends quietly from its first moment on.

Python's own handler would answer a Ctrl-C during the imports with a traceback. The caller blocks the signals before
this process is made, so that none is lost until there is a handler for it.
"""

import os
import signal
from collections.abc import Callable
from types import FrameType

STOPS = (signal.SIGTERM, signal.SIGINT)


def stop_early(*clean: Callable[[], object]) -> None:
    """Have a signal end the process with 0 after calling `clean`: nothing is registered yet, nothing to drain.

    Not by an exception: a module that is being imported, or who imports it, might take that for its own.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        for one in clean:
            one()
        os._exit(0)

    for number in STOPS:
        signal.signal(number, stop)


def main() -> None:
    """Run twistd with the arguments of the command line."""
    stop_early()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    from twisted.scripts.twistd import run  # noqa: PLC0415 - what takes the time in which a signal may come

    run()


if __name__ == "__main__":
    main()
