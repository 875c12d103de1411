"""The whole of `ionman host rollback`: back to the last generation that was good, with what is on the host already."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ionman import handover, host
from ionman.errors import InputError
from ionman.host import KEEP, Facts, Step
from ionman.hosts import difference, ending, facts, supervisor
from ionman.hosts.apply import Doing
from ionman.hosts.converge import only, prepare, signed
from ionman.hosts.layout import Layout
from ionman.hosts.lock import alone
from ionman.hosts.outcome import Asked, Outcome
from ionman.hosts.state import Service, service
from ionman.record import HOW, Memory

SETTLE = 2.0  # s that the first instance has to stay ready; it was good before


@dataclass(frozen=True)
class Way:
    """To which generation, when somebody who knows more hosts has chosen it (else: that which this host had before).

    `entry` is what another host has applied it with, for one that does not remember it. With `blame` what is left is
    marked as failed; without, it is as if it had never been tried.
    """

    to: str = ""
    entry: Mapping[str, Any] | None = field(default=None, repr=False)
    blame: bool = True


USUAL = Way()


def entry(text: str) -> Mapping[str, Any]:
    """The entry of `services` that another host has lent, as JSON."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"what another host has lent is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError("what another host has lent is no entry of services")
    return found


def rollback(name: str, layout: Layout, asked: Asked, way: Way = USUAL) -> Outcome:
    """Roll service `name` back, and mark what it leaves as failed; the others are left alone. Raises `InputError`."""
    with alone(layout, asked.say, asked.wait):
        if not asked.check:
            supervisor.sweep(layout)
            ending.sweep(layout)
        there = facts.gather(layout, ())
        memory = there.memory.get(name, Memory())
        running = {program.split(".")[1] for program in there.of(name)}
        if not running:
            raise InputError(f"{name} does not run here", remedy="ionman host status shows what does")
        leaves, target = memory.back(running, way.to)
        if not leaves:
            return Outcome((Step(KEEP, name, f"generation {target} runs; nothing to do"),), planned=asked.check)
        instances = _instances(memory, leaves, sum(program.split(".")[1] == leaves for program in there.of(name)))
        one = _service(name, memory, replace(way, to=target), leaves, instances)
        there = only(facts.gather(layout, (one,)), lambda other: other == name)
        if way.entry is not None:
            _same(one, there, target, str(layout.configuration))
        plan = handover.plan((one,), there, str(layout.configuration), leaves)
        prepare(layout, (one,))
        for step in plan.steps:
            asked.say(str(step))
        if not asked.check:
            gaps = frozenset({name} if one.how.allow_gap else ())
            Doing(layout, plan, asked.say, signed(asked.deploy), "rollback", gaps, leaves, way.blame).all()
        return Outcome(plan.steps, difference.services(plan, there), plan.works, asked.check)


def _instances(memory: Memory, leaves: str, running: int) -> int:
    """How many are wanted now."""
    known = memory.records.get(leaves)
    if known and known.entry:
        return int(known.entry.get("instances", 1))
    if memory.pending and memory.pending.ran:
        return memory.pending.ran.instances
    return running


def _service(name: str, memory: Memory, way: Way, leaves: str, instances: int) -> Service:
    """What was applied when the last good generation was, to be rolled to as was said last."""
    target = way.to
    entry = (memory.records[target].entry if target in memory.records else None) or way.entry
    if entry is None:
        raise InputError(
            f"{name}: generation {target} is not in the record of this host"
            if target
            else f"{name}: no generation before {leaves} was good on this host",
            remedy="ionman host history shows what ran; deploy a version that is right (ionman deploy)",
        )
    left = memory.records.get(leaves)
    how = {key: value for key, value in ((left and left.entry) or {}).items() if key in HOW}
    # What is left may be failing fast or refusing everybody: its numbers are no measure.
    how.update(soak=SETTLE, soak_errors=1, soak_latency=1000)
    if way.entry is not None:
        how["retry"] = True  # good elsewhere since it failed here
    kept = {**entry, "name": name, "instances": instances}
    return replace(service({**kept, **how}, f"the record of {name} {target}"), entry=kept)


def _same(one: Service, there: Facts, target: str, folder: str) -> None:
    """Refuse what another host has lent when it makes another generation here than there."""
    made = host.goal(one, there, folder, f"the record of {one.name} {target}").generation
    if made != target:
        raise InputError(
            f"{one.name}: what is {target} on another host would be {made} on this one",
            remedy=f"its package {one.app}-{one.version} is another one, or the configuration holds what is a host's "
            "own: deploy the version and configuration that you want (ionman deploy)",
        )
