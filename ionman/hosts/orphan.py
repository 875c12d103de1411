"""A program that outlived its supervisor: found by the lock that it holds, and ended.

The run script locks a file of the program's folder, and the program inherits the lock: who holds it is alive, whatever
became of supervise.
"""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path


def find(place: Path) -> int:
    """The process that holds the lock of the program folder `place`; 0 for none."""
    try:
        with (place / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return 0
    except BlockingIOError:
        return int((place / "pid").read_text())
    return 0


def end(place: Path, patience: float) -> None:
    """Ask the process to finish, and end it by force after `patience` seconds."""
    deadline = time.monotonic() + patience
    asked = False
    while pid := find(place):
        late = time.monotonic() > deadline
        if late or not asked:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            asked = True
        time.sleep(0.1)
