"""Looks at a host: its programs, its router, its certificates; and tries whether it is well."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman import control
from ionman import router as describe
from ionman.certificates import pem
from ionman.errors import IonmanError, Unavailable
from ionman.host import parts
from ionman.hosts import facts, supervisor
from ionman.hosts.layout import ROUTER, Layout
from ionman.metering import processes, realms
from ionman.metrics import Certificate, Check, Program, Realm, Snapshot

AT_ONCE = 16  # instances that are asked at a time: one that hangs keeps nobody waiting


@dataclass
class Gathering:
    """Looks again and again at one host; what it could not look at is in `troubles`."""

    layout: Layout
    doors: realms.Doors = field(init=False)
    troubles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.doors = realms.Doors(self.layout)

    def close(self) -> None:
        """Leave the router."""
        self.doors.close()

    def snapshot(self) -> Snapshot:
        """Everything."""
        began = time.monotonic()
        self.troubles = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:  # a router that hangs is waited for once, not at every step
            asked = [pool.submit(self._realm, one) for one in self._known()]
            programs = self.programs()
            through = self._services(programs)
            found = [one.result() for one in asked]
        called = [check for _, checks in found for check in checks]
        snapshot = Snapshot(
            programs=programs,
            realms=tuple(realm for realm, _ in found),
            certificates=tuple(self._certificates()),
            checks=(*_router(programs), *called, *through),
        )
        return Snapshot(**{**vars(snapshot), "troubles": dict(self.troubles), "seconds": time.monotonic() - began})

    # --- programs -------------------------------------------------------------------------------------------------

    def programs(self) -> tuple[Program, ...]:
        """What runs here, the instances with what they say of themselves."""
        names = supervisor.installed(self.layout)
        states = supervisor.status(self.layout, names)
        children = processes.tree()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(pool.map(lambda name: self._program(name, states[name], children), names))

    def _program(self, name: str, state: supervisor.Status, children: dict[int, list[int]]) -> Program:
        about = supervisor.about(self.layout, name)
        began = time.monotonic()
        note, said = self._said(name, state, about)
        return Program(
            name=name,
            service=str(about.get("service", name)),
            version=str(about.get("version", "")),
            generation=str(about.get("generation", "")),
            note=note,
            failures=supervisor.failures(self.layout, name),
            seconds=state.seconds,
            process=processes.used(state.pid, children),
            said=said,
            took=time.monotonic() - began,
        )

    def _said(self, name: str, state: supervisor.Status, about: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Why a program is not ready, and what an instance says of itself."""
        if name == ROUTER:
            return facts.router_note(state, about), {}
        if not parts(name):
            return "" if state.up else "down", {}
        try:
            said = control.ask(self.layout.control(name))
        except Unavailable as error:
            return facts.unready(self.layout, name, state) or error.message, {}
        if said.get("state") == "ready":
            return "", said
        return ": ".join(str(said[key]) for key in ("state", "message") if said.get(key)), said

    # --- the router -----------------------------------------------------------------------------------------------

    def _known(self) -> list[realms.Known]:
        """The realms of this host's router; none where there is no router."""
        place = self.layout.router_configuration
        if ROUTER not in supervisor.installed(self.layout) or not (place / describe.CONFIGURATION).exists():
            return []
        texts = [(place / name).read_text() for name in (describe.CONFIGURATION, describe.RIGHTS)]
        return realms.known(*map(json.loads, texts))

    def _realm(self, one: realms.Known) -> tuple[Realm, list[Check]]:
        try:
            client = self.doors.client(one.name)
            return realms.look(client, one), realms.call(client, one.services)
        except IonmanError as error:
            self.doors.close(one.name)
            self.troubles[f"realm {one.name}"] = error.message
            return Realm(one.name), [Check(name, "door", error.message) for name in one.services]

    # --- certificates ---------------------------------------------------------------------------------------------

    def _certificates(self) -> Iterator[Certificate]:
        """Those of this host: what it trusts, and what it serves."""
        now = datetime.now(UTC)
        for path in sorted({self.layout.ca, *(self.layout.root / "etc/ionman/tls").glob("*.pem")}):
            for found in self._tried(path):
                left = (found.not_valid_after_utc - now).total_seconds()
                yield Certificate(str(path), pem.subject(found), round(left))

    def _tried(self, path: Path) -> list[Any]:
        """The certificates of a file; none of one that cannot be read, which is a trouble."""
        try:
            return list(pem.bundle(path.read_bytes(), str(path))) if path.exists() else []
        except (IonmanError, OSError) as error:
            self.troubles[str(path)] = str(getattr(error, "message", error))
            return []

    # --- whether it is well ---------------------------------------------------------------------------------------

    def _services(self, programs: tuple[Program, ...]) -> list[Check]:
        """Every service that has instances here, called by each of its routers."""
        instances = [one for one in programs if parts(one.name)]
        names = sorted({one.service for one in instances})
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [
                check for checks in pool.map(lambda name: self._through(name, instances), names) for check in checks
            ]

    def _through(self, service: str, programs: list[Program]) -> list[Check]:
        """Have an instance call its own service by each of its routers, as a caller would."""
        ours = [one for one in programs if one.service == service]
        ready = [one for one in ours if not one.note]
        if not ready:
            return [Check(service, "instances", "; ".join(sorted({one.note for one in ours})))]
        try:
            routers = control.through(self.layout.control(ready[0].name))
        except Unavailable as error:
            return [Check(service, ready[0].name, error.message)]
        return [Check(service, router, str(one["error"]), one.get("ms", 0.0) / 1000) for router, one in routers.items()]


def _router(programs: tuple[Program, ...]) -> list[Check]:
    return [Check(ROUTER, "tls", one.note, one.took) for one in programs if one.name == ROUTER]
