"""The processes of this host's Crossbar, as /proc shows them: the node and its workers."""

import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ionman.hosts.layout import Layout

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
STATE, PARENT, USER_TIME, SYSTEM_TIME, RESIDENT = 0, 1, 11, 12, 21  # fields of proc(5) stat, after the name


@dataclass(frozen=True)
class Process:
    """One process: its number, its parent's, processor time (s), resident memory (octets), state as in proc(5)."""

    pid: int
    parent: int
    used: float
    memory: int
    state: str


def node(layout: Layout, version: str) -> int:
    """The process of the node of Crossbar `version`, which it writes down itself; 0 when there is none."""
    path = layout.crossbar_state(version) / "node.pid"
    try:
        pid = int(json.loads(path.read_text())["pid"])
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return 0
    return pid if b"crossbar" in command else 0


def family(pid: int) -> list[Process]:
    """The process `pid` and all that descend from it; nothing when it is gone."""
    everybody = [one for path in PROC.iterdir() if path.name.isdigit() and (one := _process(int(path.name)))]
    found = [one for one in everybody if one.pid == pid]
    while more := [one for one in everybody if one not in found and one.parent in {old.pid for old in found}]:
        found += more
    return found


def _process(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:  # it has ended, or is none of ours
        return None
    words = text.rpartition(")")[2].split()
    used = (int(words[USER_TIME]) + int(words[SYSTEM_TIME])) / TICKS
    return Process(pid, int(words[PARENT]), used, int(words[RESIDENT]) * PAGE, words[STATE])


def kill(processes: list[Process]) -> None:
    """End them at once, the node first: it would start a worker again."""
    for one in processes:
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
