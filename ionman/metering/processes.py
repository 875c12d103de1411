"""What the processes of a program use, proc(5)."""

import os
from collections.abc import Iterator
from pathlib import Path

from ionman.metrics import Process

TICKS = os.sysconf("SC_CLK_TCK")  # a second, in the times of /proc/PID/stat
PAGE = os.sysconf("SC_PAGE_SIZE")
PARENT, USER, SYSTEM, RESIDENT = 1, 11, 12, 21  # fields of stat after the name


def tree() -> dict[int, list[int]]:
    """Process -> its children, of all processes now."""
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (row := _stat(int(folder.name))):
            found.setdefault(int(row[PARENT]), []).append(int(folder.name))
    return found


def used(pid: int, children: dict[int, list[int]]) -> Process | None:
    """What `pid` and all below it use together; None when it is not there."""
    if not pid or _stat(pid) is None:
        return None
    rows = [(one, row) for one in _family(pid, children) if (row := _stat(one))]
    return Process(
        memory=sum(int(row[RESIDENT]) for _, row in rows) * PAGE,
        cpu=sum(int(row[field]) for _, row in rows for field in (USER, SYSTEM)) / TICKS,
        files=sum(_files(one) for one, _ in rows),
    )


def _family(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    yield pid
    for child in children.get(pid, ()):
        yield from _family(child, children)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat that follow the name, which may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return None


def _files(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a count, without a Path for each
    except OSError:  # it has ended, or is somebody else's
        return 0
