"""daemontools: the only module that knows svc, supervise and svscan.

A symbolic link in the folder that svscan looks at starts a program; svscan looks every 5 seconds, svscan(8).
"""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ionman.errors import Late, NotPossible
from ionman.files import folder
from ionman.hosts import orphan
from ionman.hosts.layout import Layout
from ionman.hosts.supervisors.program import Program, Status
from ionman.hosts.supervisors.render import render, values
from ionman.process import run

MARK = "run"  # the file that says that a folder is supervise's
FILES = frozenset({"log/run", "confine"})
HELD = "down"  # the file that tells supervise not to start a program by itself
SCAN = 5.0  # s between two looks of svscan
NORMAL = 0  # nice value

_STATUS = re.compile(r"^(?P<path>.+): (?:(?P<up>up) \(pid (?P<pid>\d+)\)|down) (?P<seconds>\d+) seconds", re.MULTILINE)


def problem(layout: Layout) -> str:
    """Why it cannot be used on this host; it can."""
    del layout
    return ""


def files(layout: Layout, program: Program) -> dict[str, str]:
    """The run scripts: name -> text."""
    named = values(layout, program)
    made = {"run": render("run.j2", named), "log/run": render("log.j2", named)}
    if program.user:
        made["confine"] = render("confine.j2", named)
    return made


def has(layout: Layout, program: str) -> bool:
    """Whether supervise has it, or svscan would give it one."""
    return enabled(layout, program) or _supervised(layout.program(program))


def enable(layout: Layout, program: str) -> None:
    """Let svscan start it, now and after each boot."""
    folder(layout.scanned)
    if not enabled(layout, program):
        (layout.scanned / program).symlink_to(layout.program(program))


def enabled(layout: Layout, program: str) -> bool:
    """Whether svscan starts it."""
    return (layout.scanned / program).is_symlink()


def hold(layout: Layout, programs: Iterable[str]) -> None:
    """Let svscan give each a supervise that does not start it: `up` need not wait for svscan then."""
    for program in programs:
        if not enabled(layout, program):
            (layout.program(program) / HELD).touch()
            enable(layout, program)


def held(layout: Layout, program: str) -> bool:
    """Whether it waits for `up`, also after a boot."""
    return (layout.program(program) / HELD).exists()


def up(layout: Layout, programs: Iterable[str]) -> None:
    """Start what is down, also what `svc -d` has told to stay so; what is up is left alone."""
    programs = list(programs)
    for program in programs:
        (layout.program(program) / HELD).unlink(missing_ok=True)
    run(["svc", "-u", *(layout.program(program) for program in programs)])


def sweep(layout: Layout) -> None:
    """Remove links that lead nowhere."""
    for path in layout.scanned.iterdir() if layout.scanned.is_dir() else ():
        if path.is_symlink() and path.readlink().parent == layout.programs and not path.exists():
            path.unlink()


def status(layout: Layout, programs: Iterable[str]) -> dict[str, Status]:
    """What supervise says of each."""
    names = list(programs)
    answer = run(["svstat", *(layout.program(name) for name in names)], check=False).stdout
    found = {Path(match["path"]).name: match for match in _STATUS.finditer(answer)}
    return {name: _status(found.get(name)) for name in names}


def _status(match: re.Match[str] | None) -> Status:
    if match is None:
        return Status(supervised=False)
    return Status(True, match["up"] is not None, int(match["pid"] or 0), int(match["seconds"]))


def await_supervised(layout: Layout, programs: Iterable[str], timeout: float) -> None:
    """Wait until svscan has started a supervise for each."""
    names = list(programs)
    deadline = time.monotonic() + timeout
    while missing := [name for name, one in status(layout, names).items() if not one.supervised]:
        if time.monotonic() > deadline:
            raise NotPossible(
                f"svscan has not started {', '.join(missing)} within {timeout:g} s",
                remedy=f"is svscan running on {layout.scanned}? On a host: systemctl start daemontools-run",
            )
        time.sleep(0.2)


def restart(layout: Layout, program: str) -> None:
    """Ask it to end, and to be started again."""
    run(["svc", "-tu", layout.program(program)])


def kill(layout: Layout, program: str) -> None:
    """End it at once."""
    run(["svc", "-k", layout.program(program)])


def stop(layout: Layout, programs: Mapping[str, float]) -> None:
    """Ask each to end and to stay down; one that has lost its supervise is ended here, within its time (s)."""
    for name in programs:
        (layout.scanned / name).unlink(missing_ok=True)
    alive = [name for name, one in status(layout, programs).items() if one.supervised]
    for name in set(programs) - set(alive):
        orphan.end(layout.program(name), programs[name])
    if alive:
        run(["svc", "-d", *(layout.program(name) for name in alive)])


def release(layout: Layout, programs: Iterable[str], timeout: float) -> None:
    """End the supervises of programs that are down, and of their logs."""
    places = [place for name in programs for place in (layout.program(name), layout.program(name) / "log")]
    alive = [place for place in places if _supervised(place)]
    if alive:
        run(["svc", "-dx", *alive])
    deadline = time.monotonic() + timeout
    while alive := [place for place in alive if _supervised(place)]:
        if time.monotonic() > deadline:
            raise Late(f"supervise did not end for {alive[0]}", remedy=f"look at it: svstat {alive[0]}")
        time.sleep(0.1)


def _supervised(place: Path) -> bool:
    return run(["svok", place], check=False).returncode == 0


def normal_priority(layout: Layout, program: str) -> None:
    """Give all its threads the usual nice value, setpriority(2)."""
    pid = status(layout, [program])[program].pid
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NORMAL)
