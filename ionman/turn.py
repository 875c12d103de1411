"""One in, one out: the steps that start the new instances of a service and drain the old. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ionman.errors import InputError
from ionman.host import Found, Goal, Step
from ionman.hosts.state import SINGLE
from ionman.record import GOOD, Memory, Ran


@dataclass
class Turn:
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
