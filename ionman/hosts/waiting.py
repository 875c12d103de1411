"""Waits until instances are ready, and watches that they stay so."""

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ionman import control, soak
from ionman.errors import Unavailable
from ionman.files import write
from ionman.hosts import facts, supervisor
from ionman.hosts.how import How
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.soak import Numbers

FAILURES = 3  # quick ends in a row after which an instance will not become ready
TURN = 0.1  # s between two looks
SLOW_TURN = 0.5  # s between two looks while soaking: a look costs processor time that callers want
ERROR = re.compile(r"\S+ error \S+: (?P<said>.+)")  # a line of the runtime's log
LONGEST = 300  # characters of it that are repeated
CONNECTING = "connecting"  # the state of an instance that no router has let in yet


class NotReady(Unavailable):
    """An instance did not become ready, or did not stay so: `why`, and the end of its log.

    `blamed`: its release or configuration is the cause.
    """

    def __init__(self, why: str, log: list[str], *, remedy: str, blamed: bool = True) -> None:
        tail = "".join(f"\n    {line}" for line in log)
        super().__init__(why + (f"; its log ends with{tail}" if tail else ""), remedy=remedy)
        self.why = why
        self.blamed = blamed


@dataclass(frozen=True)
class Waiting:
    """Waits on one host, and says for what."""

    layout: Layout
    say: Say

    def until_ready(self, limits: Mapping[str, float], told: dict[str, str] | None = None) -> None:
        """Wait until each is ready, its time (s); `told` is what was said of them before."""
        if not limits:
            return
        supervisor.await_supervised(self.layout, limits)
        start = time.monotonic()
        told = {} if told is None else told
        left = set(limits)
        while left:
            for name, status in supervisor.status(self.layout, sorted(left)).items():
                note = facts.unready(self.layout, name, status)
                if told.get(name) != note:
                    told[name] = note
                    self.say(f"{name}: {note or 'ready'}")
                if not note:
                    self._prove(name)
                    left.discard(name)
                    continue
                hopeless = supervisor.failures(self.layout, name) >= FAILURES
                if hopeless or time.monotonic() - start > limits[name]:
                    within = "" if hopeless else f" within {limits[name]:g} s"
                    # One that no router lets in goes on trying: when it ends, that is its own doing.
                    blamed = hopeless or not note.startswith(CONNECTING)
                    raise self._not_ready(name, f"did not become ready{within}: {note}", blamed=blamed)
            time.sleep(TURN)

    def _prove(self, name: str) -> None:
        """Note that it was ready once: from now on it is not taken away for not being so."""
        proof = self.layout.program(name) / "proven"
        if not proof.exists():
            if self.layout.confined:
                supervisor.normal_priority(self.layout, name)
            write(proof, "")

    def _not_ready(self, name: str, what: str, *, blamed: bool = True) -> NotReady:
        log = supervisor.log_tail(self.layout, name)
        errors = [match["said"] for line in log if (match := ERROR.fullmatch(line))]
        said = f": {errors[-1][:LONGEST]}" if errors else ""
        return NotReady(
            f"{name} {what}{said}", log, remedy=f"the whole log is in {self.layout.logs / name}", blamed=blamed
        )

    def soak(self, new: Sequence[str], old: Collection[str], how: How) -> None:
        """Watch that `new` stay ready with the same processes, then compare their numbers with those of `old`."""
        self.say(f"soaking {', '.join(new)} for {how.soak:g} s")
        pids = {name: one.pid for name, one in supervisor.status(self.layout, new).items()}
        before = {name: self._numbers([name]) for name in (*new, *old)}
        deadline = time.monotonic() + how.soak
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, SLOW_TURN))
            for name, status in supervisor.status(self.layout, new).items():
                note = facts.unready(self.layout, name, status)
                if status.pid != pids[name]:
                    raise self._not_ready(name, "was ready, and ended while it soaked")
                if note:
                    raise self._not_ready(
                        name,
                        f"was ready, and did not stay so while it soaked: {note}",
                        blamed=not note.startswith(CONNECTING),
                    )
        if not old:
            return
        fresh, known = (self._between(names, before) for names in (new, old))
        verdict = soak.judge(fresh, known, how.soak_errors, how.soak_latency)
        self.say(f"soaked: {verdict.note}")
        if verdict.problem:
            raise self._not_ready(new[0], f"soaked for {how.soak:g} s: {verdict.problem}")

    def _between(self, names: Collection[str], before: Mapping[str, dict[str, Numbers]]) -> Numbers:
        then = {name: one for of in names for name, one in before[of].items()}
        return soak.between(then, self._numbers(names))

    def _numbers(self, names: Collection[str]) -> dict[str, Numbers]:
        """What each says of its calls; one that says nothing is left out."""
        found = {}
        for name in names:
            try:
                found[name] = soak.numbers(control.ask(self.layout.control(name)))
            except Unavailable:
                continue
        return found
