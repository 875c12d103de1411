"""systemd: the only module that knows systemctl and the files below /etc/systemd.

A program is three units: `ionman-<program>.service`, and `ionman-<program>-log.{socket,service}`, a named pipe that
systemd holds open and the relay with multilog behind it. They are made in the program's folder and copied.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ionman.errors import NotPossible
from ionman.files import folder, write
from ionman.hosts.layout import Layout
from ionman.hosts.supervisors.program import Program, Status
from ionman.hosts.supervisors.render import render, values
from ionman.process import run

MARK = "service"  # the file that says that a folder is systemd's
OURS = "# Written by `ionman host apply`"  # how each unit begins
WEIGHT = 100  # CPUWeight of a program that is ready: what every unit has, systemd.resource-control(5)
GENTLY = 20  # CPUWeight of one that starts
# A second more than the host's own margin (5 s), which says what it had to kill.
MARGIN = 6  # s from the end of drain_timeout to SIGKILL
PARTS = {"service": ".service", "log.service": "-log.service", "log.socket": "-log.socket"}  # file -> end of the unit
FILES = frozenset({*PARTS, "pace.sh"} - {MARK})
SHOWN = ("Id", "LoadState", "ActiveState", "MainPID", "ControlPID", "ExecMainStartTimestampMonotonic")


def problem(layout: Layout) -> str:
    """Why it cannot be used on this host; empty when it can."""
    if layout.root != Path("/"):
        return f"systemd supervises on a host of its own, not below {layout.root}"
    if not Path("/run/systemd/system").is_dir():  # sd_booted(3)
        return "this host was not booted by systemd"
    return ""


def files(layout: Layout, program: Program) -> dict[str, str]:
    """The units and the script that paces the starts: name -> text."""
    named = {
        **values(layout, program),
        "unit": _unit(program.name),
        "log": _unit(program.name, "log.service"),
        "log_socket": _unit(program.name, "log.socket"),
        "pipe": layout.runs / f"{program.name}.log",
        "stop_timeout": program.drain_timeout + MARGIN,
        "gently": GENTLY,
    }
    templates = {
        "service": "unit.j2",
        "log.service": "unit-log.j2",
        "log.socket": "unit-socket.j2",
        "pace.sh": "pace.j2",
    }
    return {name: render(template, named) for name, template in templates.items()}


def _unit(program: str, part: str = "service") -> str:
    return f"ionman-{program}{PARTS[part]}"


def _units(layout: Layout) -> Path:
    return layout.root / "etc/systemd/system"


def _wanted(layout: Layout, program: str) -> Path:
    """The link that has it started at each boot."""
    return _units(layout) / "multi-user.target.wants" / _unit(program)


def has(layout: Layout, program: str) -> bool:
    """Whether there is any unit of it."""
    return any((_units(layout) / _unit(program, part)).exists() for part in PARTS)


def enable(layout: Layout, program: str) -> None:
    """Let systemd start it, now and after each boot. The link comes last: with it, all of this was done."""
    for part in PARTS:
        text = (layout.program(program) / part).read_text()
        target = _units(layout) / _unit(program, part)
        if not target.exists() or target.read_text() != text:
            write(target, text)
    run(["systemctl", "daemon-reload"])
    up(layout, [program])
    link = _wanted(layout, program)
    if not link.is_symlink():
        folder(link.parent)
        link.symlink_to(_units(layout) / _unit(program))


def enabled(layout: Layout, program: str) -> bool:
    """Whether systemd starts it."""
    return _wanted(layout, program).is_symlink() and (_units(layout) / _unit(program)).exists()


def hold(layout: Layout, programs: Iterable[str]) -> None:
    """Nothing to do: systemd starts a program at once."""
    del layout, programs


def held(layout: Layout, program: str) -> bool:
    """Whether it was told to wait: never."""
    del layout, program
    return False


def up(layout: Layout, programs: Iterable[str]) -> None:
    """Start what is down; what is up is left alone. Does not wait: a start ends when the program is ready."""
    del layout
    run(["systemctl", "start", "--no-block", *map(_unit, programs)])


def status(layout: Layout, programs: Iterable[str]) -> dict[str, Status]:
    """What systemd says of each."""
    del layout
    found = {row["Id"]: row for row in _show(map(_unit, programs))}
    return {name: _status(found.get(_unit(name), {})) for name in programs}


def _show(units: Iterable[str]) -> Iterator[dict[str, str]]:
    """Some properties of each unit, systemctl(1): blocks of NAME=VALUE, with an empty line between two."""
    answer = run(["systemctl", "show", f"--property={','.join(SHOWN)}", *units]).stdout
    for block in answer.split("\n\n"):
        yield dict(line.partition("=")[::2] for line in block.splitlines() if line)


def _status(row: Mapping[str, str]) -> Status:
    if row.get("LoadState") != "loaded":
        return Status(supervised=False)
    if row["ActiveState"] in ("inactive", "failed"):
        return Status(supervised=True)
    pid = int(row["MainPID"]) or int(row["ControlPID"])
    since = int(row["ExecMainStartTimestampMonotonic"])
    return Status(True, True, pid, int(time.monotonic() - since / 1e6) if since else 0)


def await_supervised(layout: Layout, programs: Iterable[str], timeout: float) -> None:
    """See that systemd has the unit of each; it reads them afresh when it has not."""
    names = list(programs)
    for again in (True, False):
        missing = [name for name, one in status(layout, names).items() if not one.supervised]
        if missing and again:
            run(["systemctl", "daemon-reload"], timeout=timeout)
        elif missing:
            raise NotPossible(
                f"systemd has no unit for {', '.join(missing)}",
                remedy=f"what says: systemctl status {_unit(missing[0])}",
            )


def restart(layout: Layout, program: str) -> None:
    """Ask it to end, and to be started again."""
    del layout
    run(["systemctl", "restart", "--no-block", _unit(program)])


def kill(layout: Layout, program: str) -> None:
    """End all its processes at once."""
    del layout
    run(["systemctl", "kill", "--signal=KILL", _unit(program)], check=False)  # it may have ended meanwhile


def stop(layout: Layout, programs: Mapping[str, float]) -> None:
    """Ask each to end and to stay down."""
    for name in programs:
        _wanted(layout, name).unlink(missing_ok=True)
    if alive := [_unit(name) for name, one in status(layout, programs).items() if one.supervised]:
        run(["systemctl", "stop", "--no-block", *alive])


def release(layout: Layout, programs: Iterable[str], timeout: float) -> None:
    """Forget programs that are down: their logs' processes, units, failures and settings."""
    units = [_unit(name, part) for name in programs for part in PARTS]
    if loaded := [row["Id"] for row in _show(units) if row["LoadState"] == "loaded"]:
        run(["systemctl", "stop", *loaded], timeout=timeout)
    if failed := [row["Id"] for row in _show(units) if row["ActiveState"] == "failed"]:
        run(["systemctl", "reset-failed", *failed])
    for name in programs:
        _wanted(layout, name).unlink(missing_ok=True)
    for unit in units:
        (_units(layout) / unit).unlink(missing_ok=True)
        settings = layout.root / "run/systemd/system.control" / f"{unit}.d"
        if settings.exists():
            shutil.rmtree(settings)
    run(["systemctl", "daemon-reload"])


def sweep(layout: Layout) -> None:
    """Forget units whose program's folder is gone, and files that a killed run did not finish."""
    place = _units(layout)
    for half in place.glob(".*.new"):  # the name that `write` gives it
        if half.is_file() and (half.read_text(errors="replace").startswith(OURS) or not half.stat().st_size):
            half.unlink()
    lost = {name for path in place.glob("ionman-*") if (name := _program(path)) and not layout.program(name).exists()}
    if lost:
        stop(layout, dict.fromkeys(lost, 0.0))
        release(layout, sorted(lost), timeout=120)


def _program(unit: Path) -> str:
    """The program that a unit of ours belongs to; empty for somebody else's."""
    if not unit.is_file() or not unit.read_text(errors="replace").startswith(OURS):
        return ""
    ends = sorted(PARTS.values(), key=len, reverse=True)
    base = next((unit.name.removesuffix(end) for end in ends if unit.name.endswith(end)), "")
    return base.removeprefix("ionman-")


def normal_priority(layout: Layout, program: str) -> None:
    """Give it the weight that every unit has."""
    del layout
    run(["systemctl", "set-property", "--runtime", _unit(program), f"CPUWeight={WEIGHT}"])
