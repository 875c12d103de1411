"""Control groups: every process of a lab is in one from its birth, so none can be missed and no stranger is hit.

Works on cgroup v2 alone (`/sys/fs/cgroup`), and where v1 is there too, on its `name=systemd` hierarchy besides,
because systemd-nspawn uses both. See cgroups(7).
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ionman.errors import Late

TOP = "ionman"


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Where this machine's process-tracking hierarchies are mounted; `mounts` is the text of /proc/mounts."""
    text = Path("/proc/mounts").read_text() if mounts is None else mounts
    found = []
    for line in text.splitlines():
        _source, target, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(target))
    return found


def _paths(name: str) -> list[Path]:
    return [hierarchy / TOP / name for hierarchy in hierarchies()]


def _current() -> list[Path]:
    """The `cgroup.procs` files of the groups this process is in now."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _number, controllers, path = line.split(":", 2)
        for hierarchy in hierarchies():
            is_v2 = (hierarchy / "cgroup.controllers").exists()
            if (controllers == "" and is_v2) or (controllers == "name=systemd" and not is_v2):
                found.append(hierarchy / path.lstrip("/") / "cgroup.procs")
    return found


@contextlib.contextmanager
def inside(name: str) -> Iterator[None]:
    """Be in the group `name` (`demo/host1`) while the block runs: what it starts is born there and stays."""
    before = _current()
    try:
        for path in _paths(name):
            path.mkdir(parents=True, exist_ok=True)
            (path / "cgroup.procs").write_text(str(os.getpid()))
        yield
    finally:
        for file in before:
            file.write_text(str(os.getpid()))


def members(name: str) -> set[int]:
    """The process ids in the group and everything below it."""
    found: set[int] = set()
    for path in _paths(name):
        for file in path.rglob("cgroup.procs"):
            with contextlib.suppress(FileNotFoundError, OSError):
                found.update(int(word) for word in file.read_text().split())
    return found - {0}


def leave() -> None:
    """Take this process out of every group of labs."""
    for hierarchy in hierarchies():
        (hierarchy / "cgroup.procs").write_text(str(os.getpid()))


def clear(name: str, *, timeout: float = 20) -> None:
    """Kill everything in the group, but not this process, and remove it.

    Raises `Late` when something is still alive after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while alive := members(name) - {os.getpid()}:
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise Late(f"processes {sorted(alive)} of lab group {name} do not end", remedy="see ps and dmesg")
        time.sleep(0.02)
    for path in _paths(name):
        _remove(path)


def _remove(path: Path) -> None:
    """Remove the group and those below it, and the one above when it is empty."""
    below = sorted((each for each in path.rglob("*") if each.is_dir()), key=lambda each: -len(each.parts))
    for directory in [*below, path, *path.parents]:
        if TOP not in directory.parts:
            break
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # busy: another lab, or another part of this one
            break


def kill(pid: int, timeout: float = 10) -> None:
    """Kill one process and wait until it is gone; raises `Late`."""
    try:
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], timeout)
    os.close(descriptor)
    if not ended:
        raise Late(f"process {pid} does not end", remedy="see ps and dmesg")
