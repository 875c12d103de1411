"""The plan of a host: for each service the steps from what runs to what should, so that callers notice nothing. Pure.

A few new instances are started and proven first; then, one in and one out, the old are drained. Never more than
`surge` instances beyond the wanted number (or what ran, if that was more) are alive, and never fewer are ready than
were ready before or are wanted, whichever is less. `ionman.hosts.apply` does it.
"""

from collections.abc import Iterator
from typing import Any

from ionman.errors import InputError
from ionman.host import KEEP, Facts, Found, Goal, Plan, Step, Work, goal, parts
from ionman.hosts.state import Service
from ionman.record import FAILED, GOOD, Memory, Ran, same
from ionman.repo import order
from ionman.tidy import tidy
from ionman.turn import Turn


def plan(services: tuple[Service, ...], facts: Facts, folder: str, leaves: str = "") -> Plan:
    """The steps that make the host run `services` and nothing else; `folder` is that of all configurations.

    `leaves` is the generation that is rolled back by hand.
    """
    goals = [goal(service, facts, folder, f"services[{i}]") for i, service in enumerate(services)]
    for one in goals:
        if not leaves:
            _refuse_dropped(one, facts)
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
    turn = Turn(one, memory, there, ran(one, there, memory))
    steps = [*_write(one, facts), *turn.steps()]
    steps.extend(_record(one, memory, rolls=turn.ran is not None or (not there and bool(one.programs))))
    touched = {step.target for step in steps}
    if not one.programs:
        steps.append(Step(KEEP, one.service.name, "no instances wanted"))
    untouched = [program for program in one.programs if program not in touched]
    steps.extend(Step(KEEP, name, f"version {one.service.version} is ready; nothing to do") for name in untouched)
    return Work(one.service.name, one, tuple(steps), turn.ran, turn.ran or _most(there, memory))


def _refuse_dropped(one: Goal, facts: Facts) -> None:
    """Draining the last of the old would be the end of what the new does not answer any more.

    Whoever names an older version goes back, and means it.
    """
    service = one.service
    build = facts.builds[service.app, service.version]
    offers = build.offers.get(service.file) if build else None
    if offers is None or not one.programs or service.how.allow_gap:
        return
    older = [found for found in facts.of(service.name).values() if _age(found.version) < _age(service.version)]
    answered = {uri: found.version for found in older for uri in found.answers}
    if dropped := sorted(answered.keys() - offers):
        raise InputError(
            f"{service.name}: version {service.version} does not answer {', '.join(dropped)}, "
            f"which version {answered[dropped[0]]} answers here",
            remedy="nothing was changed; with `allow_gap: true` its callers are told that there is no such procedure",
        )


def _age(version: str) -> tuple[Any, ...]:
    return order(version.replace("-", "~"))  # a release candidate comes before its release


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
