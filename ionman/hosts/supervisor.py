"""daemontools: the only module that knows svc, supervise, svscan and multilog.

A program's folder is made complete under another name and then renamed; a symbolic link in the folder that svscan looks
at starts it. svscan looks every 5 seconds, svscan(8).
"""

import json
import re
import shlex
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from ionman.errors import InputError, Late, NotPossible
from ionman.files import folder, write
from ionman.hosts import logrelay, orphan
from ionman.hosts.layout import SOCKET_PATH_LIMIT, Layout
from ionman.process import run

QUICK = 10  # s: a program that ends sooner has failed to start
LONGEST = 30  # s between two starts of a program that fails
SCAN = 5.0  # s between two looks of svscan
PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - each program gets its own, empty
EXECUTABLE = frozenset({"run", "log/run", "confine"})
HALF_MADE = "."  # svscan passes over names with a dot, and so do we

_STATUS = re.compile(r"^(?P<path>.+): (?:(?P<up>up) \(pid (?P<pid>\d+)\)|down) (?P<seconds>\d+) seconds", re.MULTILINE)
_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("ionman.hosts"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - shell, not HTML; every value goes through `quote`
)
_templates.filters["quote"] = lambda value: shlex.quote(str(value))


@dataclass(frozen=True)
class Program:
    """What supervise runs: `command` in `directory` as `user`, who may write below `writable` only.

    `about` is kept beside it, for those who ask what it is; `memory` is in MB, `drain_timeout` in seconds.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    user: str | None
    writable: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    open_files: int = 4096
    memory: int = 512
    drain_timeout: int = 30
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """What supervise says: whether it is there, whether its program is up and for how many seconds, its process."""

    supervised: bool
    up: bool = False
    pid: int = 0
    seconds: int = 0


def files(layout: Layout, program: Program) -> dict[str, str]:
    """The files of the program's folder, all of them: name -> text."""
    values = {
        **vars(program),
        "program": program.name,
        "writable": (*program.writable, layout.runs / program.name),
        "run_dir": layout.runs / program.name,
        "log_dir": layout.logs / program.name,
        "log_user": layout.log_user,
        "python": layout.python,
        "relay": layout.program(program.name) / "log/relay.py",
        "private": [folder for folder in PRIVATE if not layout.root.is_relative_to(folder)],
        "quick": QUICK,
        "longest": LONGEST,
    }
    made = {
        "run": _render("run.j2", values),
        "log/run": _render("log.j2", values),
        "log/relay.py": Path(logrelay.__file__).read_text(),
        "about.json": json.dumps(dict(program.about), sort_keys=True) + "\n",
    }
    if program.user:
        made["confine"] = _render("confine.j2", values)
    return made


def _render(template: str, values: Mapping[str, Any]) -> str:
    return _templates.get_template(template).render(values)


def install(layout: Layout, program: Program) -> None:
    """Have the program's folder, complete, and its log's; it is not started yet."""
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
    """Write a program's files into its folder."""
    folder(place / "log")
    for name, text in texts.items():
        write(place / name, text, mode=0o755 if name in EXECUTABLE else 0o644)


def enable(layout: Layout, program: str) -> None:
    """Let svscan start it, now and after each boot."""
    link = layout.scanned / program
    folder(layout.scanned)
    if not link.is_symlink():
        link.symlink_to(layout.program(program))


def up(layout: Layout, programs: Iterable[str]) -> None:
    """Start what is down, also what `svc -d` has told to stay so; what is up is left alone."""
    places = [layout.program(program) for program in programs]
    if places:
        run(["svc", "-u", *places])


def enabled(layout: Layout, program: str) -> bool:
    """Whether svscan starts it."""
    return (layout.scanned / program).is_symlink()


def installed(layout: Layout) -> list[str]:
    """The programs whose folder is there and complete."""
    if not layout.programs.is_dir():
        return []
    return sorted(path.name for path in layout.programs.iterdir() if not path.name.startswith(HALF_MADE))


def sweep(layout: Layout) -> None:
    """Remove folders that were left half made or half removed, and links that lead nowhere."""
    for place in (layout.programs, layout.scanned):
        for path in place.iterdir() if place.is_dir() else ():
            if place == layout.programs and path.name.startswith(HALF_MADE):
                shutil.rmtree(path)
            elif path.is_symlink() and path.readlink().parent == layout.programs and not path.exists():
                path.unlink()


def status(layout: Layout, programs: Iterable[str]) -> dict[str, Status]:
    """What supervise says of each."""
    names = list(programs)
    if not names:
        return {}
    answer = run(["svstat", *(layout.program(name) for name in names)], check=False).stdout
    found = {Path(match["path"]).name: match for match in _STATUS.finditer(answer)}
    return {name: _status(found.get(name)) for name in names}


def _status(match: re.Match[str] | None) -> Status:
    if match is None:
        return Status(supervised=False)
    return Status(True, match["up"] is not None, int(match["pid"] or 0), int(match["seconds"]))


def failures(layout: Layout, program: str) -> int:
    """How many times in a row it ended soon after its start; the run script counts. 0 once it has kept up."""
    pace = layout.program(program) / "pace"
    words = pace.read_text().split() if pace.exists() else []
    if not words:
        return 0
    ran = time.clock_gettime(time.CLOCK_BOOTTIME) - int(words[1])
    return 0 if ran > QUICK else int(words[0])


def about(layout: Layout, program: str) -> dict[str, Any]:
    """What was noted of it when it was installed."""
    path = layout.program(program) / "about.json"
    answer: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return answer


def log_tail(layout: Layout, program: str, lines: int = 8) -> list[str]:
    """The last lines that it logged, without multilog's time stamps."""
    path = layout.logs / program / "current"
    if not path.is_file():
        return []
    text = path.read_text(errors="replace").splitlines()[-lines:]
    return [re.sub(r"^@[0-9a-f]{24} ", "", line) for line in text]


def await_supervised(layout: Layout, programs: Iterable[str], timeout: float = 4 * SCAN) -> None:
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


def restart(layout: Layout, program: str, old: int, timeout: float) -> None:
    """Have another process than `old`: ask it to end, and force it after `timeout` s."""
    (layout.program(program) / "pace").unlink(missing_ok=True)
    run(["svc", "-tu", layout.program(program)])
    deadline = time.monotonic() + timeout
    while status(layout, [program])[program].pid == old:
        if time.monotonic() > deadline:
            kill(layout, program)
            deadline += timeout
        time.sleep(0.1)


def kill(layout: Layout, program: str) -> None:
    """End it at once."""
    run(["svc", "-k", layout.program(program)])


def drain(layout: Layout, programs: Mapping[str, float]) -> list[str]:
    """Ask each to end and to stay down, wait its time (s), then end it by force; those that had to be forced."""
    for name in programs:
        (layout.scanned / name).unlink(missing_ok=True)
    alive = [name for name, one in status(layout, programs).items() if one.supervised]
    for name in set(programs) - set(alive):
        orphan.end(layout.program(name), programs[name])
    if alive:
        run(["svc", "-d", *(layout.program(name) for name in alive)])
    start = time.monotonic()
    forced: list[str] = []
    while up := [name for name, one in status(layout, alive).items() if one.up]:
        for name in up:
            if name not in forced and time.monotonic() - start > programs[name]:
                forced.append(name)
                kill(layout, name)
        time.sleep(0.1)
    return forced


def remove(layout: Layout, programs: Iterable[str], timeout: float = 20.0) -> None:
    """End the supervisors of programs that are down, and remove their folders; the logs stay."""
    names = [name for name in programs if layout.program(name).exists()]
    places = [place for name in names for place in (layout.program(name), layout.program(name) / "log")]
    alive = [place for place in places if _supervised(place)]
    if alive:
        run(["svc", "-dx", *alive])
    deadline = time.monotonic() + timeout
    while alive := [place for place in alive if _supervised(place)]:
        if time.monotonic() > deadline:
            raise Late(f"supervise did not end for {alive[0]}", remedy=f"look at it: svstat {alive[0]}")
        time.sleep(0.1)
    for name in names:
        half = layout.programs / f"{HALF_MADE}{name}.gone"
        if half.exists():
            shutil.rmtree(half)
        layout.program(name).rename(half)
        shutil.rmtree(half)


def _supervised(place: Path) -> bool:
    return run(["svok", place], check=False).returncode == 0
