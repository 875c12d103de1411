"""Processes written down by id and start time, so that an id the kernel has given to another is never taken for it."""

import contextlib
from pathlib import Path

from ionman.lab import place


def started(pid: int) -> str:
    """When a living process began, in clock ticks since boot (proc(5), stat field 22); empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]


def record(directory: Path, role: str, pid: int) -> None:
    """Write down that `pid` is the lab's `role` (`host1`, `forward-router`, `github`, `guard`)."""
    directory.mkdir(mode=0o700, exist_ok=True)
    place.write(directory / role, f"{pid} {started(pid)}\n")


def alive(directory: Path, role: str) -> int:
    """The process id of `role` when that very process still lives, else 0."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid, when = (directory / role).read_text().split()
        if started(int(pid)) == when:
            return int(pid)
    return 0
