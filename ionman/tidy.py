"""What is left of generations and programs that are gone, and may be forgotten. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ionman.host import Facts, Goal, Step, parts
from ionman.record import Memory

KEPT_LOGS = 3  # generations of a service that no longer run, whose logs are kept
LOG, RECORD = "log ", "record "  # what a target begins with that is no configuration and no run folder


def tidy(goals: Sequence[Goal], facts: Facts, leaves: str = "") -> tuple[Step, ...]:
    """The steps that forget what nobody needs when `goals` run; `leaves` is a generation that was good no more then."""
    if leaves:
        facts = replace(facts, memory={name: one.without(leaves) for name, one in facts.memory.items()})
    wanted = {program for one in goals for program in one.programs}
    files = (*_configurations(goals, facts), *_runs(wanted, facts), *_logs(wanted, facts))
    return (*files, *_records(goals, facts.memory))


def _configurations(goals: Sequence[Goal], facts: Facts) -> Iterator[Step]:
    """All but the goal's, and the last good one's before it: that is for a rollback."""
    kept = set()
    for one in goals:
        memory = facts.memory.get(one.service.name, Memory())
        kept |= {f"{one.service.name}/{name}" for name in (one.generation, memory.previous(one.generation))}
    for base in sorted({name.rsplit("/", 1)[0] for name in facts.files} - kept):
        yield Step("forget", base, "no instance runs with it")


def _runs(wanted: Iterable[str], facts: Facts) -> Iterator[Step]:
    alive = {*wanted, *facts.programs}
    for program in sorted(facts.runs):
        if parts(program) and program not in alive:
            yield Step("forget", program, "run folder of a program that is gone")


def _logs(wanted: Iterable[str], facts: Facts) -> Iterator[Step]:
    by_service: dict[str, dict[str, list[str]]] = {}
    for program in facts.logs:
        split = parts(program)
        if split and program not in wanted:
            by_service.setdefault(split[0], {}).setdefault(split[1], []).append(program)
    for generations in by_service.values():
        newest = sorted(generations, key=lambda one: min(facts.logs[log] for log in generations[one]))
        for old in newest[KEPT_LOGS:]:
            for program in sorted(generations[old]):
                yield Step("forget", f"{LOG}{program}", f"older than the last {KEPT_LOGS} generations")


def _records(goals: Sequence[Goal], memories: Mapping[str, Memory]) -> Iterator[Step]:
    """Those of older generations, and all but the failed ones of services that are gone: they hold secrets."""
    by_service = {one.service.name: one.generation for one in goals}
    for service, memory in memories.items():
        if service in by_service:
            for name in memory.stale(by_service[service]):
                yield Step("forget", f"{RECORD}{service}/{name}", "older than the last good ones")
        else:
            for name in sorted(name for name in memory.records if memory.mark(name) != "failed"):
                yield Step("forget", f"{RECORD}{service}/{name}", "the service is not wanted here any more")
