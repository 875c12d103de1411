"""The one door to what supervises programs on a host: daemontools or systemd, program by program.

A program's folder is made complete under another name and then renamed. It says by its files which supervisor the
program belongs to, so a host may have some of each.
"""

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ionman.errors import InputError, NotPossible
from ionman.files import folder, write
from ionman.hosts import logrelay
from ionman.hosts.layout import SOCKET_PATH_LIMIT, Layout
from ionman.hosts.supervisors import svc, systemd
from ionman.hosts.supervisors.kind import Supervisor
from ionman.hosts.supervisors.program import QUICK, Program, Status

__all__ = ["DEFAULT", "EXECUTABLE", "NAMES", "Program", "Status"]  # and the functions below


DEFAULT = "svc"
_ALL: dict[str, Supervisor] = {"svc": svc, "systemd": systemd}
NAMES = tuple(_ALL)
EXECUTABLE = frozenset({"run", "log/run", "confine", "pace.sh"})
HALF_MADE = "."  # svscan passes over names with a dot, and so do we
TURN = 0.1  # s between two looks
RELEASE = 20.0  # s that a supervisor gets to forget a program that is down


def check(layout: Layout, supervisor: str) -> None:
    """Refuse a supervisor that is not known, or that this host cannot have."""
    if supervisor not in _ALL:
        raise InputError(f"there is no supervisor {supervisor!r}", remedy=f"there are: {', '.join(NAMES)}")
    if problem := _ALL[supervisor].problem(layout):
        raise NotPossible(problem, remedy=f"choose supervisor {DEFAULT}; nothing was changed")


def kind(layout: Layout, program: str) -> str:
    """Which supervisor a program's folder is for."""
    return next((name for name, one in _ALL.items() if (layout.program(program) / one.MARK).exists()), DEFAULT)


def holder(layout: Layout, program: str) -> str:
    """Which supervisor has it, whatever the folder says: the other one while a change is half done; empty for none."""
    own = kind(layout, program)
    others = [name for name in NAMES if name != own]
    return next((name for name in (*others, own) if _ALL[name].has(layout, program)), "")


def _of(layout: Layout, program: str) -> Supervisor:
    return _ALL[kind(layout, program)]


def _each(layout: Layout, programs: Iterable[str]) -> Iterator[tuple[Supervisor, list[str]]]:
    """The programs of each supervisor that has any of these."""
    kinds = {name: kind(layout, name) for name in programs}
    for name, one in _ALL.items():
        if own := [program for program in kinds if kinds[program] == name]:
            yield one, own


# --- a program's folder -------------------------------------------------------------------------------------------


def files(layout: Layout, program: Program) -> dict[str, str]:
    """The files of the program's folder, all of them: name -> text."""
    return {
        **_ALL[program.supervisor].files(layout, program),
        "log/relay.py": Path(logrelay.__file__).read_text(),
        "about.json": json.dumps(dict(program.about), sort_keys=True) + "\n",
    }


def install(layout: Layout, program: Program) -> None:
    """Have the program's folder, complete, and its log's; it is not started yet."""
    check(layout, program.supervisor)
    place = layout.program(program.name)
    if len(str(layout.control(program.name))) > SOCKET_PATH_LIMIT:
        raise InputError(
            f"{layout.control(program.name)}: is longer than a socket's name may be ({SOCKET_PATH_LIMIT} bytes)",
            remedy="take a shorter root or a shorter name for the service",
        )
    folder(layout.logs / program.name, mode=0o750, user=layout.log_user, group=layout.log_user)
    if place.exists():
        return
    half = place.with_name(HALF_MADE + program.name)
    if half.exists():
        shutil.rmtree(half)
    update(half, files(layout, program))
    half.rename(place)


def update(place: Path, texts: Mapping[str, str]) -> None:
    """Write a program's files into its folder; they may be for another supervisor than those that are there."""
    folder(place / "log")
    for half in place.rglob(".*.new"):  # a run that was killed has left it
        half.unlink()
    for name, text in texts.items():
        write(place / name, text, mode=0o755 if name in EXECUTABLE else 0o644)
    for one in _ALL.values():
        others = (one.MARK, *sorted(one.FILES)) if one.MARK not in texts else ()  # the mark goes first
        for name in others:
            if (place / name).exists():
                (place / name).unlink()


def installed(layout: Layout) -> list[str]:
    """The programs whose folder is there and complete."""
    if not layout.programs.is_dir():
        return []
    return sorted(path.name for path in layout.programs.iterdir() if not path.name.startswith(HALF_MADE))


def about(layout: Layout, program: str) -> dict[str, Any]:
    """What was noted of it when it was installed."""
    path = layout.program(program) / "about.json"
    answer: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return answer


def failures(layout: Layout, program: str) -> int:
    """How many times in a row it ended soon after its start, as counted before each start. 0 once it has kept up."""
    pace = layout.program(program) / "pace"
    words = pace.read_text().split() if pace.exists() else []
    if not words:
        return 0
    ran = time.clock_gettime(time.CLOCK_BOOTTIME) - int(words[1])
    return 0 if ran > QUICK else int(words[0])


def log_tail(layout: Layout, program: str, lines: int = 8) -> list[str]:
    """The last lines that it logged, without multilog's time stamps."""
    path = layout.logs / program / "current"
    if not path.is_file():
        return []
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return [re.sub(r"^@[0-9a-f]{24} ", "", line) for line in text]


def sweep(layout: Layout) -> None:
    """Remove folders that were left half made or half removed, and what supervisors have of them."""
    for path in layout.programs.iterdir() if layout.programs.is_dir() else ():
        if path.name.startswith(HALF_MADE):
            shutil.rmtree(path)
    for one in _ALL.values():
        one.sweep(layout)


# --- a program ----------------------------------------------------------------------------------------------------


def enable(layout: Layout, program: str) -> None:
    """Let its supervisor start it, now and after each boot; and no other one."""
    own = _of(layout, program)
    for other in _ALL.values():
        if other is not own and other.has(layout, program):
            patience = {program: float(about(layout, program).get("drain_timeout", 30))}
            other.stop(layout, patience)
            _await_end(layout, [(other, patience)])
            other.release(layout, [program], RELEASE)
            (layout.program(program) / "pace").unlink(missing_ok=True)  # it did not end by itself
    own.enable(layout, program)


def enabled(layout: Layout, program: str) -> bool:
    """Whether its supervisor starts it."""
    return _of(layout, program).enabled(layout, program)


def hold(layout: Layout, programs: Iterable[str]) -> None:
    """Have what is to be started soon known to its supervisor, which may take a while; `enable` and `up` start it."""
    for one, own in _each(layout, programs):
        one.hold(layout, own)


def held(layout: Layout, program: str) -> bool:
    """Whether it was told to wait, and not started since."""
    return _of(layout, program).held(layout, program)


def up(layout: Layout, programs: Iterable[str]) -> None:
    """Start what is down, also what was told to stay so; what is up is left alone."""
    for one, own in _each(layout, programs):
        one.up(layout, own)


def status(layout: Layout, programs: Iterable[str]) -> dict[str, Status]:
    """What the supervisors say of each."""
    names = list(programs)
    found = {name: row for one, own in _each(layout, names) for name, row in one.status(layout, own).items()}
    return {name: found[name] for name in names}


def await_supervised(layout: Layout, programs: Iterable[str], timeout: float = 4 * svc.SCAN) -> None:
    """Wait until each has its supervisor."""
    for one, own in _each(layout, programs):
        one.await_supervised(layout, own, timeout)


def restart(layout: Layout, program: str, old: int, timeout: float) -> None:
    """Have another process than `old`: ask it to end, and force it after `timeout` s."""
    (layout.program(program) / "pace").unlink(missing_ok=True)
    _of(layout, program).restart(layout, program)
    deadline = time.monotonic() + timeout
    while status(layout, [program])[program].pid == old:
        if time.monotonic() > deadline:
            kill(layout, program)
            deadline += timeout
        time.sleep(TURN)


def kill(layout: Layout, program: str) -> None:
    """End it at once."""
    _of(layout, program).kill(layout, program)


def normal_priority(layout: Layout, program: str) -> None:
    """Give it its full share of the processors: it was `gentle`, and has become ready."""
    _of(layout, program).normal_priority(layout, program)


def drain(layout: Layout, programs: Mapping[str, float]) -> list[str]:
    """Ask each to end and to stay down, wait its time (s), then end it by force; those that had to be forced."""
    sorts = [(one, {name: programs[name] for name in own}) for one, own in _each(layout, programs)]
    for one, own in sorts:
        one.stop(layout, own)
    return _await_end(layout, sorts)


def _await_end(layout: Layout, sorts: list[tuple[Supervisor, dict[str, float]]]) -> list[str]:
    """Wait until programs that were told to end have done so, each its time (s); those that had to be forced."""
    start = time.monotonic()
    forced: list[str] = []
    while up := [(one, own, name) for one, own in sorts for name, row in one.status(layout, own).items() if row.up]:
        for one, own, name in up:
            if name not in forced and time.monotonic() - start > own[name]:
                forced.append(name)
                one.kill(layout, name)
        time.sleep(TURN)
    return forced


def remove(layout: Layout, programs: Iterable[str], timeout: float = RELEASE) -> None:
    """Have the supervisors forget programs that are down, and remove their folders; the logs stay."""
    names = [name for name in programs if layout.program(name).exists()]
    for one, own in _each(layout, names):
        one.release(layout, own, timeout)
    for name in names:
        half = layout.programs / f"{HALF_MADE}{name}.gone"
        if half.exists():
            shutil.rmtree(half)
        layout.program(name).rename(half)
        shutil.rmtree(half)
