"""Watches this host's router from outside, as a program of its own: restarts it when it is frozen, or uses too much.

It has the router's account and no other right: it ends processes, and the supervisor starts the router again.
"""

import os
import random
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from ionman.calls.client import Client
from ionman.errors import IonmanError, Late, Unavailable
from ionman.hosts import door, health, router_going, router_leave, router_processes, router_ready, supervisor
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.lock import Say
from ionman.watch import Look, Verdict, judge

TURN = 1.0  # s between two looks
PATIENCE = 2.5  # s for one answer
KEPT = 64  # looks
JITTER = 20.0  # s, at most, so that two routers do not restart at the same time


@dataclass
class Watch:
    """Looks again and again, and acts on what it sees."""

    layout: Layout
    say: Say
    others: tuple[str, ...] = ()
    limit: int = 0  # MB
    looks: deque[Look] = field(default_factory=lambda: deque(maxlen=KEPT))
    _inside: Client | None = None
    _told: str = ""
    _known: int = 0  # the process that was last said to answer

    def turn(self) -> None:
        """One look, and what follows from it."""
        self.looks.append(self.look())
        if self.looks[-1].well and self.looks[-1].pid != self._known:
            self._known = self.looks[-1].pid
            self.say(f"router: process {self._known} answers")
        verdict, why = judge(self.looks, self.limit)
        if verdict is Verdict.KILL:
            self._kill(why)
        elif verdict is Verdict.RENEW:
            self._renew(why)

    def look(self) -> Look:
        """How the router is now."""
        about = supervisor.about(self.layout, ROUTER)
        pid = router_processes.node(self.layout, str(about.get("version", "")))
        well = bool(pid) and self._answers(about)
        family = router_processes.family(pid) if pid else []
        return Look(
            at=time.monotonic(),
            pid=pid,
            well=well,
            used=sum(one.used for one in family),
            stopped=any(one.state in "Tt" for one in family),
            runnable=any(one.state == "R" for one in family),
            memory=sum(one.memory for one in family) >> 20,
        )

    # --- looking ------------------------------------------------------------------------------------------------

    def _answers(self, about: dict[str, Any]) -> bool:
        """Whether it answers a request over TLS, and a call by the door."""
        if health.silent(about["address"], about["port"], PATIENCE):
            return False
        try:
            if self._inside is None:
                self._inside = door.enter(self.layout, self._realms()[0], PATIENCE)
            self._inside.call("wamp.session.count", deadline=PATIENCE)
        except (Late, Unavailable, TimeoutError):
            self._forget()
            return False
        return True

    def _realms(self) -> list[str]:
        return router_going.realms(self.layout.router_configuration)

    def _forget(self) -> None:
        if self._inside:
            self._inside.close()
            self._inside = None

    # --- acting -------------------------------------------------------------------------------------------------

    def _kill(self, why: str) -> None:
        pid = self.looks[-1].pid
        self.say(f"router: {why}; killing process {pid} and its workers, the supervisor starts it again")
        router_processes.kill(router_processes.family(pid))
        self._forget()
        self.looks.clear()

    def _renew(self, why: str) -> None:
        """Restart it in peace, when another one is well."""
        trouble = [problem for one in self.others if (problem := router_ready.problem(one, self.layout.ca))]
        if not self.others or trouble:
            self._once(f"router: {why}; it is left as it is: {trouble[0] if trouble else 'there is no other router'}")
            return
        self._once(f"router: {why}; restarting it")
        time.sleep(random.uniform(0, JITTER))  # noqa: S311 - not a secret
        try:
            realms = self._realms()
            router_ready.await_held(self._enter, realms, 60.0, self.say)
            router_leave.leave(self._enter, realms, 30.0, router_going.AWAY + 1, self.say)
        except IonmanError as error:
            self._once(f"router: not restarted now: {error.message}")
            return
        self._forget()
        with suppress(ProcessLookupError):
            os.kill(self.looks[-1].pid, signal.SIGTERM)
        self.looks.clear()

    def _once(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self.say(line)

    def _enter(self, realm: str) -> Client:
        return door.enter(self.layout, realm, router_going.DEADLINE)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@click.command()
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"))
@click.option("--other", "others", multiple=True, help="Another router of the fleet, host:port.")
@click.option("--memory-limit", type=int, default=0, help="MB; 0 for none.")
def main(root: Path, others: tuple[str, ...], memory_limit: int) -> None:
    """Watch this host's router until told to end."""
    watch = Watch(Layout(root), _say, others, memory_limit)
    watch.say("watching the router")
    while True:
        began = time.monotonic()
        watch.turn()
        time.sleep(max(0.1, TURN - (time.monotonic() - began)))


if __name__ == "__main__":
    sys.exit(main())
