"""Takes a lab down when another process ends, even by SIGKILL: `python -m ionman.lab.guard LAB PID START`."""

import os
import select
import sys

from ionman.lab import cgroup, lifecycle, pids


def wait(pid: int, start: str) -> None:
    """Return when the process that started at `start` (see `pids.started`) has ended. pidfd_open(2)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    if pids.started(pid) == start:
        select.select([descriptor], [], [])
    os.close(descriptor)


def main(name: str, pid: str, start: str) -> None:
    """Wait, then take the lab down."""
    wait(int(pid), start)
    cgroup.leave()  # what it does now ends all that is in the lab's groups
    lifecycle.down(name)


if __name__ == "__main__":
    main(*sys.argv[1:4])
