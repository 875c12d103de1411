"""What is on the host now: read from its files, its supervisors and its instances' own answers. Changes nothing."""

import json
import pwd
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ionman import control
from ionman.errors import Unavailable
from ionman.host import Build, Facts, Found, parts
from ionman.hosts import health, record, supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.state import Service
from ionman.hosts.supervisor import Status


def gather(layout: Layout, services: tuple[Service, ...]) -> Facts:
    """What is on the host; changes nothing."""
    names = [name for name in supervisor.installed(layout) if parts(name)]
    states = supervisor.status(layout, names)
    return Facts(
        builds={(one.app, one.version): _build(layout, one.app, one.version) for one in services},
        programs={name: found(layout, name, states[name]) for name in names},
        files={str(path.relative_to(layout.configuration)): path.read_text() for path in _files(layout)},
        runs=frozenset(path.name for path in _children(layout.runs) if path.is_dir()),
        logs={path.name: time.time() - path.stat().st_mtime for path in _children(layout.logs)},
        memory=record.read(layout),
    )


def _build(layout: Layout, app: str, version: str) -> Build | None:
    place = layout.release(app, version)
    if not (place / "build.json").is_file():
        return None
    text = (place / "build.json").read_text()
    offers = json.loads(text).get("services", {})
    return Build(
        text,
        frozenset(path.name for path in (place / "app").glob("*.py")),
        {file: frozenset(said.get("procedures", ())) for file, said in offers.items()},
    )


def _files(layout: Layout) -> Iterator[Path]:
    return (path for path in layout.configuration.glob("*/*/*") if not path.name.startswith("."))


def _children(place: Path) -> Iterator[Path]:
    return place.iterdir() if place.is_dir() else iter(())


def found(layout: Layout, name: str, status: Status) -> Found:
    """How one program is."""
    note, document = _asked(layout, name, status)
    about = supervisor.about(layout, name)
    return Found(
        linked=supervisor.enabled(layout, name),
        stopped=supervisor.held(layout, name) or (status.supervised and not status.up),
        ready=not note,
        proven=(layout.program(name) / "proven").exists(),
        version=str(about.get("version", "")),
        schedule=str(about.get("schedule", "roundrobin")),
        note=note,
        answers=frozenset(() if note else document.get("procedures", ())),
    )


def unready(layout: Layout, name: str, status: Status) -> str:
    """Why an instance is not ready, in its own words; empty when it is."""
    return _asked(layout, name, status)[0]


def _asked(layout: Layout, name: str, status: Status) -> tuple[str, Mapping[str, Any]]:
    """Why an instance is not ready, and all that it says of itself."""
    if not status.supervised:
        return "not supervised", {}
    if not status.up:
        return "down", {}
    try:
        answer = control.ask(layout.control(name))
    except Unavailable:
        count = supervisor.failures(layout, name)
        return f"ended soon after its start, for the {count}. time in a row" if count else "starting", {}
    if answer.get("pid") != status.pid:
        return "starting", {}
    if answer.get("state") == "ready":
        return "", answer
    said = ": ".join(str(answer[key]) for key in ("state", "message") if answer.get(key))
    return said or "says nothing of itself", answer


def router_note(status: Status, about: Mapping[str, Any]) -> str:
    """Why the router does not answer; empty when it does."""
    if not status.up:
        return "down" if status.supervised else "not supervised"
    return health.problem(about["address"], about["port"], Path(about["certificate"]))


def account(user: str) -> bool:
    """Whether this host has the account `user`."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
