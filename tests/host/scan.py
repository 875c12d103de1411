"""Svscan in a hurry: `scan.py FOLDER` starts real supervises as that does, and looks five times a second.

The one of daemontools looks every 5 s, which is most of the time of a test that rolls. Tests about svscan itself take
the real one.
"""

import os
import sys
import time
from pathlib import Path

TURN = 0.2  # s

Slot = tuple[int, int]  # device and inode of a service's folder


class Slots:
    """The supervise of each service, and of its log, with the pipe between them; started again when it has ended."""

    def __init__(self) -> None:
        self._pipes: dict[Slot, tuple[int, int]] = {}
        self._running: dict[tuple[Slot, bool], int] = {}

    def look(self) -> None:
        """Start what is not running."""
        while self._running and (ended := os.waitpid(-1, os.WNOHANG)[0]):
            self._running = {key: pid for key, pid in self._running.items() if pid != ended}
        there = {slot: one.name for one in Path().iterdir() if one.name[0] != "." and (slot := identity(one))}
        for slot, name in there.items():
            if slot not in self._pipes:
                self._pipes[slot] = os.pipe()
            self._start(slot, name, log=False)
            if Path(name, "log").is_dir():
                self._start(slot, f"{name}/log", log=True)
        for slot in [one for one in self._pipes if one not in there and not self._runs(one)]:
            for end in self._pipes.pop(slot):
                os.close(end)

    def _runs(self, slot: Slot) -> bool:
        return any(key[0] == slot for key in self._running)

    def _start(self, slot: Slot, name: str, *, log: bool) -> None:
        if (slot, log) not in self._running:
            end = (os.POSIX_SPAWN_DUP2, self._pipes[slot][0 if log else 1], 0 if log else 1)
            command = ["supervise", name]
            self._running[slot, log] = os.posix_spawnp(command[0], command, os.environ, file_actions=[end])


def identity(place: Path) -> Slot | None:
    """The folder that `place` is or leads to."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    slots = Slots()
    while True:
        slots.look()
        time.sleep(TURN)
