"""The edge of the router on a host: lands what holds, and puts the last good one back when it does not come up."""

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Mapping, Set
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from ionman import router as describe
from ionman.errors import CommandFailed, InputError, IonmanError, Unavailable
from ionman.files import folder, write
from ionman.host import Missing, Step
from ionman.hosts import crossbar, facts, health, router_ports, router_state, supervisor
from ionman.hosts.crossbar import FoundNode, Node
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.lock import Say
from ionman.hosts.router_going import Going
from ionman.hosts.state import Router
from ionman.process import run
from ionman.routers import files

FAILURES = 3  # quick ends in a row after which it will not come up
SALT = 32  # bytes
PATIENCE = 2.0  # s for a router to say that it is there
OURS = ("version", "ready_timeout", "supervisor", "rolling")  # keys of the section that do not describe the router


def wanted(layout: Layout, router: Router, *, check: bool) -> Node:
    """What the router should be; refuses what cannot work. Makes this host's salt secret, unless it is only a check."""
    binary = layout.release("crossbar", router.version) / "venv/bin/crossbar"
    if not binary.is_file():
        raise Missing(
            f"router.version: Crossbar {router.version} is not installed on this host",
            remedy=f"install the package crossbar-{router.version} first (playbooks/host.yml)",
        )
    supervisor.check(layout, router.supervisor)
    health.pair(Path(router.certificate), Path(router.key))
    description = {key: value for key, value in router.description.items() if key not in OURS}
    description.update(address=router.address, port=router.port)
    problems = describe.check(description) or files.look(description)
    if problems:
        lines = "".join(f"\n    router.{problem}" for problem in problems)
        raise InputError(f"the router's section cannot be used:{lines}", remedy="nothing was changed")
    place = describe.Place(layout.router_configuration, layout.door)
    texts = describe.files(description, _salt(layout, make=not check), place)
    paths = (router.certificate, router.key, *router.chain)
    return crossbar.node(layout, router, texts, b"".join(Path(path).read_bytes() for path in paths))


def _salt(layout: Layout, *, make: bool) -> bytes:
    """The secret of this host that makes the users' salts, made once; a passing one when it may not be made."""
    path = layout.router_state / "salt"
    if path.exists():
        return path.read_bytes()
    salt = secrets.token_bytes(SALT)
    if make:
        _state(layout)
        write(path, salt, mode=0o600)
    return salt


def _state(layout: Layout) -> None:
    folder(layout.router_state, mode=0o750, user=layout.router_user, group=layout.router_user)


def found(layout: Layout, router: Router) -> FoundNode:
    """What the router is now."""
    proven = layout.router_proven / "parts.json"
    status = supervisor.status(layout, [ROUTER])[ROUTER]
    about = supervisor.about(layout, ROUTER)
    return FoundNode(
        parts=json.loads(proven.read_text()) if proven.exists() else {},
        files=_texts(layout.router_configuration),
        linked=supervisor.enabled(layout, ROUTER),
        note=_unready(layout, router),
        answers=status.up and not health.silent(about["address"], about["port"], PATIENCE),
        pid=status.pid,
        stopped=status.supervised and not status.up,
        supervisor=supervisor.holder(layout, ROUTER),
    )


def _texts(place: Path) -> dict[str, str]:
    """The router's files that are in the folder `place`, in the order in which they are written."""
    paths = [place / name for name in describe.NAMES]
    return {path.name: path.read_text() for path in paths if path.exists()}


def _unready(layout: Layout, router: Router) -> str:
    where = {"address": router.address, "port": router.port, "certificate": router.certificate}
    return facts.router_note(supervisor.status(layout, [ROUTER])[ROUTER], where)


def check(layout: Layout, node: Node, is_there: FoundNode) -> None:
    """Refuse a configuration that Crossbar itself refuses, and a port that somebody else has."""
    router_ports.check(layout, node, is_there)
    if is_there.files.get(describe.CONFIGURATION) == node.files[describe.CONFIGURATION]:
        return
    binary = layout.release("crossbar", node.router.version) / "venv/bin/crossbar"
    with tempfile.TemporaryDirectory(prefix=".check", dir=layout.runs) as name:
        path = Path(name) / describe.CONFIGURATION
        write(path, node.files[describe.CONFIGURATION], mode=0o600)
        try:
            run([binary, "check", "--cbdir", name, "--config", path], timeout=120)
        except CommandFailed as error:
            raise InputError(f"Crossbar refuses the configuration: {error.message}") from error


@dataclass(frozen=True)
class DoingRouter:
    """The router's steps being done."""

    layout: Layout
    node: Node
    found: FoundNode
    steps: tuple[Step, ...]
    say: Say

    def all(self) -> None:
        """Do them; what does not come up is put back."""
        verbs = {step.verb for step in self.steps}
        going = Going(self.layout, self.node.router, self.say)
        if "leave" in verbs:
            going.ready()
        if "write" in verbs and "await" not in verbs:
            self._prove()  # before what is read at once: a later put-back must not bring older rights
        self._land({name: text for name, text in self.node.files.items() if self.found.files.get(name) != text})
        if "leave" in verbs:
            going.leave()
        with going.away() if "leave" in verbs else nullcontext():
            self._change(verbs)

    def _change(self, verbs: Set[str]) -> None:
        """Start what is to be started, and see it come up."""
        router = self.node.router
        fresh = False
        if verbs & {"start", "restart"}:
            fresh = router_state.prepare(self.layout, router.version, self.found.parts.get("version", ""))
            self._run(supervisor.files(self.layout, self.node.program), self.found.pid)
        if "await" not in verbs:
            return
        try:
            self._await(router, self.found.pid if "restart" in verbs else 0)
        except IonmanError as error:
            raise self._put_back(error, fresh=fresh) from error
        self._prove()
        router_state.tidy(self.layout, router.version)

    def _land(self, texts: Mapping[str, str]) -> None:
        user = self.layout.router_user
        folder(self.layout.router_configuration, mode=0o750, group=user)
        _state(self.layout)
        for name, text in texts.items():
            write(self.layout.router_configuration / name, text, mode=0o640, group=user)

    def _run(self, texts: dict[str, str], old: int) -> None:
        """Have the program's files and a process that began with them; `old` is the process that has to go."""
        supervisor.install(self.layout, self.node.program)
        had = supervisor.kind(self.layout, ROUTER)
        supervisor.update(self.layout.program(ROUTER), texts)
        moves = supervisor.kind(self.layout, ROUTER) != had
        if moves:
            self.say(f"restarting the router, now under {supervisor.kind(self.layout, ROUTER)}")
        supervisor.enable(self.layout, ROUTER)  # where it moves, this ends the old process
        supervisor.await_supervised(self.layout, [ROUTER])
        supervisor.up(self.layout, [ROUTER])
        if old and not moves:
            self.say("restarting the router")
            supervisor.restart(self.layout, ROUTER, old, crossbar.STOP_TIMEOUT)

    def _await(self, router: Router, old: int) -> None:
        deadline = time.monotonic() + router.ready_timeout
        told = ""
        while True:
            pid = supervisor.status(self.layout, [ROUTER])[ROUTER].pid
            note = _unready(self.layout, router) if not old or pid != old else "still the old process"
            if not note:
                self.say(f"router: answers on {router.address}:{router.port}")
                return
            if note != told:
                told = note
                self.say(f"router: {note}")
            hopeless = supervisor.failures(self.layout, ROUTER) >= FAILURES
            if hopeless or time.monotonic() > deadline:
                raise self._late(note, "" if hopeless else f" within {router.ready_timeout:g} s")
            time.sleep(0.2)

    def _late(self, note: str, within: str) -> Unavailable:
        tail = "".join(f"\n    {line}" for line in supervisor.log_tail(self.layout, ROUTER))
        return Unavailable(
            f"the router does not answer{within}: {note}; its log ends with{tail}",
            remedy=f"the whole log is in {self.layout.logs / ROUTER}",
        )

    def _prove(self) -> None:
        """Keep what it came up with: to compare with, and to put back."""
        place = self.layout.router_proven
        folder(place, mode=0o700)
        texts = supervisor.files(self.layout, self.node.program)
        for name, text in self.node.files.items():
            write(place / name, text, mode=0o600)
        write(place / "program.json", json.dumps(texts), mode=0o600)
        write(place / "parts.json", json.dumps(dict(self.node.parts)), mode=0o600)

    def _put_back(self, error: IonmanError, *, fresh: bool) -> IonmanError:
        """Bring the last good configuration up again, and say so."""
        place = self.layout.router_proven
        if not (place / "parts.json").exists():
            remove(self.layout, self.say)
            return Unavailable(error.message, remedy=f"{error.remedy}; it never ran before, so it was stopped again")
        self.say("router: putting the previous configuration back")
        self._land(_texts(place))
        texts = json.loads((place / "program.json").read_text())
        self._run(texts, supervisor.status(self.layout, [ROUTER])[ROUTER].pid)
        if fresh:
            router_state.forget(self.layout, self.node.router.version)
        return Unavailable(error.message, remedy=f"{error.remedy}; {self._how_it_is(texts)}")

    def _how_it_is(self, texts: dict[str, str]) -> str:
        before = json.loads(texts["about.json"])
        deadline = time.monotonic() + self.node.router.ready_timeout
        certificate = Path(self.node.router.certificate)
        while health.problem(before["address"], before["port"], certificate):
            if time.monotonic() > deadline:
                return "the previous configuration was put back, but does not answer either"
            time.sleep(0.2)
        return "the previous configuration was put back and answers"


def remove(layout: Layout, say: Say) -> None:
    """Stop the router and forget its configuration; its key and its salt are kept."""
    say("stopping the router")
    supervisor.drain(layout, {ROUTER: crossbar.STOP_TIMEOUT})
    supervisor.remove(layout, [ROUTER])
    for path in (layout.router_configuration, layout.runs / ROUTER):
        if path.exists():
            shutil.rmtree(path)
