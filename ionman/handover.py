"""The plan of a host: for each service the steps from what runs to what should, so that callers notice nothing. Pure.

A few new instances are started and proven first; then, one in and one out, the old are drained. Never more than
`surge` instances beyond the wanted number (or what ran, if that was more) are alive, and never fewer are ready than
were ready before or are wanted, whichever is less. `ionman.hosts.apply` does it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ionman.errors import InputError
from ionman.host import KEEP, Facts, Found, Goal, Plan, Step, Work, goal, parts
from ionman.hosts.state import SINGLE, Service
from ionman.record import FAILED, GOOD, Memory, Ran, same
from ionman.tidy import tidy


def plan(services: tuple[Service, ...], facts: Facts, folder: str, leaves: str = "") -> Plan:
    """The steps that make the host run `services` and nothing else; `folder` is that of all configurations.

    `leaves` is the generation that is rolled back by hand.
    """
    goals = [goal(service, facts, folder, f"services[{i}]") for i, service in enumerate(services)]
    works = [handover(one, facts) for one in goals]
    known = {one.service.name for one in goals}
    others = sorted({split[0] for name in facts.programs if (split := parts(name))} - known)
    works.extend(_removal(name, facts) for name in others)
    return Plan(tuple(works), tidy(goals, facts, leaves))


def handover(one: Goal, facts: Facts) -> Work:
    """From what runs of a service to `one`; refuses what must not or cannot be rolled."""
    memory = facts.memory.get(one.service.name, Memory())
    _refuse_failed(one, memory)
    there = facts.of(one.service.name)
    turn = _Turn(one, memory, there, ran(one, there, memory))
    steps = [*_write(one, facts), *turn.steps()]
    steps.extend(_record(one, memory, rolls=turn.ran is not None))
    touched = {step.target for step in steps}
    if not one.programs:
        steps.append(Step(KEEP, one.service.name, "no instances wanted"))
    untouched = [program for program in one.programs if program not in touched]
    steps.extend(Step(KEEP, name, f"version {one.service.version} is ready; nothing to do") for name in untouched)
    return Work(one.service.name, one, tuple(steps), turn.ran, turn.ran or _most(there, memory))


def _removal(service: str, facts: Facts) -> Work:
    there = facts.of(service)
    steps = [Step("drain", program, "the service is not wanted here any more") for program in sorted(there)]
    return Work(service, None, tuple(steps), before=_most(there, facts.memory.get(service, Memory())))


def _refuse_failed(one: Goal, memory: Memory) -> None:
    name, record = one.service.name, memory.records.get(one.generation)
    if record and record.mark == FAILED and not one.service.how.retry:
        what = f"generation {one.generation} (version {one.service.version})"
        raise InputError(
            f"{name}: {what} failed on {record.when}: {record.why}",
            remedy="nothing was changed; deploy another version or configuration, "
            "or this one all the same with `retry` (-e service_retry=true)",
        )


# --- what ran before ----------------------------------------------------------------------------------------------


def ran(one: Goal, there: dict[str, Found], memory: Memory) -> Ran | None:
    """What `one` replaces, and what is put back when it fails; None when it replaces nothing that was good.

    A roll that was interrupted knows it: part of what ran may be drained already.
    """
    others = {name: found for name, found in there.items() if name.split(".")[1] != one.generation}
    pending = memory.pending
    if pending and pending.ran and pending.ran.generation != one.generation:
        alive = any(name.split(".")[1] == pending.ran.generation for name in others)
        worse = memory.mark(one.generation) == GOOD != memory.mark(pending.ran.generation)
        if not worse and (alive or memory.mark(pending.to) != GOOD):
            return pending.ran
    if memory.mark(one.generation) == GOOD:
        others = {name: found for name, found in others.items() if memory.mark(name.split(".")[1]) == GOOD}
    return _most(others, memory)


def _most(there: dict[str, Found], memory: Memory) -> Ran | None:
    """The generation that stands for what runs: good before not, then the one with the most instances ready."""
    generations: dict[str, list[Found]] = {}
    for name, found in there.items():
        generations.setdefault(name.split(".")[1], []).append(found)
    if not generations:
        return None

    def worth(name: str) -> tuple[bool, int, str]:
        return memory.mark(name) == GOOD, sum(found.ready for found in generations[name]), name

    best = max(generations, key=worth)
    return Ran(best, generations[best][0].version, len(generations[best]))


# --- one in, one out ----------------------------------------------------------------------------------------------


@dataclass
class _Turn:
    """The steps being laid out, and how many would be alive and ready after them."""

    one: Goal
    memory: Memory
    there: dict[str, Found]
    ran: Ran | None
    old: list[str] = field(init=False)
    fresh: list[str] = field(init=False)

    def __post_init__(self) -> None:
        programs = self.one.programs
        self.old = sorted((name for name in self.there if name not in programs), key=self._worth)
        settled = [name for name in programs if name in self.there and self._settled(name)]
        # What was started already and is not ready goes first: it is alive as it is.
        fresh = [name for name in programs if name not in settled]
        self.fresh = sorted(fresh, key=lambda name: not self._alive(name))
        self.alive = sum(self._alive(name) for name in self.there)
        self.ready = len(settled) + sum(self.there[name].ready for name in self.old)
        self.floor = min(self.ready, len(programs))
        self.limit = max(len(programs), self.ran.instances if self.ran else 0) + self.one.service.how.surge
        self.proven = settled

    def _worth(self, name: str) -> tuple[bool, bool, str]:
        """What is drained first: what does not serve, then what is no part of what ran."""
        found = self.there[name]
        return found.ready, self.ran is not None and name.split(".")[1] == self.ran.generation, name

    def _alive(self, name: str) -> bool:
        return name in self.there and not self.there[name].stopped

    def _settled(self, name: str) -> bool:
        found = self.there[name]
        return found.ready and found.linked and not found.stopped

    @property
    def _soaks(self) -> bool:
        generation = self.one.generation
        rolls = self.ran is not None or self.memory.mark(generation) != GOOD
        tried = self.memory.tried(generation)
        return bool(self.one.service.how.soak and self.one.programs and rolls and not tried)

    def steps(self) -> Iterator[Step]:
        """All of them."""
        how = self.one.service.how
        width = how.surge if self.ready else len(self.fresh)
        first = how.canary if self.ready else len(self.fresh)
        if conflict := self._conflict():
            yield from self._gap(conflict)
            width = first = len(self.fresh)
        yield from self._strays()
        unproven = self._soaks
        if unproven and self.proven:
            yield from self._soak(self.proven[: how.canary])
            unproven = False
        if self.proven:
            yield from self._drain(lambda: self.alive > len(self.one.programs))
        while self.fresh:
            batch = self._batch(min(first, width) if unproven else width)
            yield from self._start(batch)
            if unproven:
                yield from self._soak(batch)
                unproven = False
            yield from self._drain(lambda: self.alive > len(self.one.programs))
        yield from self._drain(lambda: True)

    def _batch(self, most: int) -> list[str]:
        """The next to be started: at most `most`, and no more than may be alive."""
        room = max(1, self.limit - self.alive)
        count = 0
        while count < min(most, len(self.fresh)) and (room or self._alive(self.fresh[count])):
            room -= not self._alive(self.fresh[count])
            count += 1
        batch, self.fresh = self.fresh[:count], self.fresh[count:]
        return batch

    def _start(self, batch: list[str]) -> Iterator[Step]:
        service = self.one.service
        within = f"ready within {service.ready_timeout:g} s"
        for name in batch:
            found = self.there.get(name)
            number = self.one.programs.index(name) + 1
            if found is None:
                yield Step("start", name, f"instance {number} of {service.instances}, version {service.version}")
            elif not found.linked:
                yield Step("start", name, "was left half done")
            elif found.stopped:
                yield Step("start", name, "was stopped")
        for name in batch:
            found = self.there.get(name)
            there = found is not None and found.linked and not found.ready
            yield Step("await", name, f"{within}; now {found.note or 'not ready'}" if found and there else within)
        self.alive += sum(not self._alive(name) for name in batch)
        self.ready += len(batch)

    def _soak(self, batch: list[str]) -> Iterator[Step]:
        beside = f", compared with {self.ran.generation}" if self.ran else ""
        for name in batch:
            yield Step("soak", name, f"stays ready for {self.one.service.how.soak:g} s{beside}")

    def _strays(self) -> Iterator[Step]:
        """What an interrupted roll to something else has left makes room, as far as it is not needed."""
        if self.ran and self.fresh:
            ours = (self.ran.generation, self.one.generation)
            strays = {name for name in self.old if name.split(".")[1] not in ours}
            yield from self._drain(lambda: self.old[0] in strays)

    def _drain(self, more: Callable[[], bool]) -> Iterator[Step]:
        """Drain the old, the least worth first, while there is `more` and enough stay ready."""
        while self.old and more():
            ready = self.there[self.old[0]].ready
            if ready and self.ready - 1 < self.floor:
                return
            self.alive -= self._alive(self.old[0])
            yield self._out(self.old.pop(0))
            self.ready -= ready

    def _out(self, name: str) -> Step:
        replaced = name.split(".")[1] != self.one.generation
        why = f"replaced by {self.one.generation}" if replaced else f"only {self.one.service.instances} wanted"
        return Step("drain", name, why)

    def _conflict(self) -> str:
        """Why the new cannot stand beside the old, where some of the old serve; empty when it can."""
        new = self.one.service.schedule
        others = [self.there[name] for name in self.old if name.split(".")[1] != self.one.generation]
        schedules = {found.schedule for found in others if found.ready}
        if not self.fresh or not schedules:
            return ""
        if schedules != {new}:
            return f"its schedule changes from {', '.join(sorted(schedules))} to {new}; a router takes one at a time"
        return "with schedule = single only one instance can register" if new == SINGLE else ""

    def _gap(self, conflict: str) -> Iterator[Step]:
        if not self.one.service.how.allow_gap:
            raise InputError(
                f"{self.one.service.name}: cannot be replaced while it serves: {conflict}",
                remedy="nothing was changed; "
                "with `allow_gap: true` the old is drained first, and nobody answers meanwhile",
            )
        self.floor = 0
        for step in self._drain(lambda: True):
            yield Step(step.verb, step.target, f"{step.why}; {conflict}")


# --- files and records --------------------------------------------------------------------------------------------


def _write(one: Goal, facts: Facts) -> Iterator[Step]:
    for name, text in one.files.items():
        if name not in facts.files:
            yield Step("write", name, _reason(one, facts))
        elif facts.files[name] != text:
            yield Step("write", name, "is not what it should be")


def _reason(one: Goal, facts: Facts) -> str:
    """Why there is a new generation."""
    old = {found.version for found in facts.of(one.service.name).values()}
    if not old:
        return "first on this host"
    if one.service.version not in old:
        return f"version {', '.join(sorted(old))} -> {one.service.version}"
    return "configuration, environment or build changed"


def _record(one: Goal, memory: Memory, *, rolls: bool) -> Iterator[Step]:
    record = memory.records.get(one.generation)
    target = f"{one.service.name}/{one.generation}"
    if rolls or record is None or record.mark != GOOD:
        yield Step("record", target, "good, once all this is done")
    elif not same(record.entry, one.service.entry):
        yield Step("record", target, "as it is wanted now")
    elif memory.pending is not None:
        yield Step("record", target, "a roll that was interrupted has ended")
