"""Where the lock of one run of ansible-playbook is asked: a folder named after that process, with one socket.

`<run folder>/deploy-<pid>-<start>/lock.sock`; the start time (proc(5), field 22) tells a process from a later one
with the same number.
"""

import math
import os
import select
import shutil
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ionman.runtime.place import run_folder

PREFIX = "deploy-"
SOCKET = "lock.sock"


def of(pid: int) -> Path | None:
    """The folder of the run whose main process is `pid`, there or not; None when no such process is left."""
    fields = stat(pid)
    return run_folder(os.environ) / f"{PREFIX}{pid}-{fields[19]}" if fields else None


def around() -> Path | None:
    """The folder of the nearest run above this process (itself, its parent, and so on) that has one."""
    pid = os.getpid()
    while pid > 1:
        fields = stat(pid)
        if not fields:
            return None
        folder = run_folder(os.environ) / f"{PREFIX}{pid}-{fields[19]}"
        if folder.is_dir():
            return folder
        pid = int(fields[1])
    return None


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third (state) on; empty when there is no such process, or a dead one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return []
    fields = text.rpartition(")")[2].split()
    return fields if fields[0] not in ("Z", "X") else []


def connect(folder: Path, timeout: float) -> socket.socket:
    """A connection to the holder of `folder`; `OSError` when none is there.

    By way of the folder's descriptor: the path of a socket may have 107 bytes only, whatever the run folder's is.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(descriptor)
    return connection


def listen(folder: Path) -> socket.socket:
    """Make `folder` for this user alone, and listen in it."""
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{SOCKET}")
        listener.listen()
    finally:
        os.close(descriptor)
    return listener


def readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Those that can be read within `seconds` (None: whenever); poll(2), since select(2) knows the first 1024 only."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [found for found, _ in poll.poll(None if seconds is None else max(0, math.ceil(seconds * 1000)))]


def sweep() -> None:
    """Remove the folders of runs that are over: those whose holder was killed and could not."""
    for folder in run_folder(os.environ).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and of(int(pid)) != folder and not _answers(folder):
            with suppress(OSError):  # another run sweeps too
                shutil.rmtree(folder)


def _answers(folder: Path) -> bool:
    try:
        connect(folder, 1).close()
    except OSError:
        return False
    return True
