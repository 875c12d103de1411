"""A program of ionman's own on a host, neither a router nor an instance: one of its kind, restarted in place."""

import hashlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ionman import __version__
from ionman.errors import InputError, Unavailable
from ionman.host import KEEP, Step, parts
from ionman.hosts import supervisor
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.lock import Say
from ionman.hosts.supervisor import Program

READY = 30.0  # s
FAILURES = 3  # quick ends in a row after which it will not come up


def command() -> Path:
    """The command of the ionman that runs now."""
    return Path(sys.prefix) / "bin/ionman"


def about() -> dict[str, str]:
    """What a helper is: with another package of ionman it is another one, and started again."""
    build = Path(sys.prefix).parent / "build.json"
    digest = hashlib.sha256(build.read_bytes()).hexdigest()[:8] if build.exists() else ""
    return {"app": "ionman", "version": __version__, "build": digest}


def installed(layout: Layout) -> list[str]:
    """The helpers that are on this host."""
    return [name for name in supervisor.installed(layout) if name != ROUTER and not parts(name)]


@dataclass(frozen=True)
class Helper:
    """A helper that should be: its program, and how to find out why it is not ready (empty when it is)."""

    layout: Layout
    program: Program
    problem: Callable[[], str]
    ready: str = "is up"  # what it is when it is ready, for the plan

    @property
    def name(self) -> str:
        """The name of its program."""
        return self.program.name

    def step(self) -> Step:
        """What has to happen."""
        status = supervisor.status(self.layout, [self.name])[self.name]
        if not supervisor.enabled(self.layout, self.name):
            return Step("start", self.name, f"until it {self.ready}")
        if self._texts() != supervisor.files(self.layout, self.program):
            return Step("restart", self.name, f"it changed; until it {self.ready}")
        if not status.up:
            return Step("start", self.name, f"it is down; until it {self.ready}")
        if why := self.problem():
            return Step("restart", self.name, why)
        return Step(KEEP, self.name, f"{self.ready}; nothing to do")

    def _texts(self) -> dict[str, str]:
        place = self.layout.program(self.name)
        wanted = supervisor.files(self.layout, self.program)
        return {name: (place / name).read_text() for name in wanted if (place / name).exists()}

    def do(self, say: Say) -> None:
        """Have it, with the files that it should have. Raises `Unavailable` when it does not come up."""
        verb = self.step().verb
        if verb == KEEP:
            return
        say(f"{verb}ing {self.name}")
        old = supervisor.status(self.layout, [self.name])[self.name].pid
        supervisor.install(self.layout, self.program)
        supervisor.update(self.layout.program(self.name), supervisor.files(self.layout, self.program))
        supervisor.enable(self.layout, self.name)
        supervisor.await_supervised(self.layout, [self.name])
        supervisor.up(self.layout, [self.name])
        if old and verb == "restart":
            supervisor.restart(self.layout, self.name, old, self.program.drain_timeout)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + READY
        while why := self.problem():
            if supervisor.failures(self.layout, self.name) >= FAILURES or time.monotonic() > deadline:
                tail = "".join(f"\n    {line}" for line in supervisor.log_tail(self.layout, self.name))
                raise Unavailable(
                    f"{self.name} does not come up: {why}; its log ends with{tail}",
                    remedy=f"the whole log is in {self.layout.logs / self.name}; routers and services are not touched",
                )
            time.sleep(0.2)


def remove(layout: Layout, name: str, say: Say, patience: float = 10.0) -> None:
    """End a helper and forget it; its log stays."""
    say(f"stopping {name}")
    supervisor.drain(layout, {name: patience})
    supervisor.remove(layout, [name])


def refuse_taken(place: str, taken: str) -> InputError:
    """A port that somebody else has."""
    return InputError(f"{place} is in use by {taken}", remedy="stop that, or choose another port; nothing was changed")
