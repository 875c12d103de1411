"""Ends what works below the folders of a test run that has ended, however it did: `python -m tests.host.leftovers PID`.

A killed run takes its svscans with it, but not their supervisors: those belong to process 1 then.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from ionman import process
from ionman.hosts import supervisor
from ionman.hosts.layout import Layout

PREFIX = "ih"  # short: a socket's path has 107 bytes
PLACES = (tempfile.gettempdir(), "/run")
OWNER = "owner"  # file of a host's folder: the process of the test run that it belongs to


def folder(under: str | None = None) -> Path:
    """A folder of this run for one host."""
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=under))
    (root / OWNER).write_text(str(os.getpid()))
    return root


def processes(root: Path) -> list[int]:
    """The processes that work below `root`."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            where = (proc / "cwd").readlink()
            command = (proc / "cmdline").read_bytes().decode()
        except OSError:  # it has ended meanwhile
            continue
        if where.is_relative_to(root) or f"{root}/" in command:
            found.append(int(proc.name))
    return found


def end(layout: Layout) -> None:
    """End what works below the layout's root: first what its supervisors would start again."""
    for name in supervisor.installed(layout):
        for place in (layout.program(name), layout.program(name) / "log"):
            process.run(["svc", "-dx", place], check=False)
            process.run(["svc", "-k", place], check=False)
    for pid in processes(layout.root):
        with contextlib.suppress(ProcessLookupError):  # supervise has ended it meanwhile
            os.kill(pid, signal.SIGKILL)


def sweep(ended: int = 0) -> None:
    """End and remove the folders of all runs that have ended; `ended` has, though its parent may not know yet."""
    for owner in (path for place in PLACES for path in Path(place).glob(f"{PREFIX}*/{OWNER}")):
        pid = int(owner.read_text())
        if pid == ended or not Path(f"/proc/{pid}").exists():
            end(Layout(owner.parent))
            shutil.rmtree(owner.parent)


def wait(pid: int) -> None:
    """Return when process `pid` has ended. pidfd_open(2)."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        select.select([descriptor], [], [])
        os.close(descriptor)


if __name__ == "__main__":
    run = int(sys.argv[1])
    wait(run)
    sweep(run)
