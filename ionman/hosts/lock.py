"""One apply at a time on a host."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator

from ionman.errors import Late
from ionman.files import folder
from ionman.hosts.layout import Layout

Say = Callable[[str], None]


@contextlib.contextmanager
def alone(layout: Layout, say: Say, wait: float) -> Iterator[None]:
    """Hold the host's lock: one apply at a time. Waits up to `wait` s for another one, and says whose it is."""
    folder(layout.runs)
    with layout.lock.open("a+") as file:
        deadline = time.monotonic() + wait
        said = False
        while not _locked(file.fileno()):
            file.seek(0)
            holder = file.read().strip() or "somebody"
            if time.monotonic() > deadline:
                raise Late(
                    f"another apply is at work on this host: {holder}", remedy="wait for it, then run this again"
                )
            if not said:
                say(f"waiting for another apply on this host: {holder}")
                said = True
            time.sleep(0.2)
        file.truncate(0)
        since = time.strftime("%H:%M:%S UTC", time.gmtime())
        file.write(f"pid {os.getpid()}, user {os.environ.get('SUDO_USER') or os.getuid()}, since {since}\n")
        file.flush()
        yield
        file.truncate(0)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
