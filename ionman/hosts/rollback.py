"""The whole of `ionman host rollback`: back to the last generation that was good, with what is on the host already."""

from dataclasses import replace

from ionman import handover
from ionman.errors import InputError
from ionman.hosts import difference, ending, facts, supervisor
from ionman.hosts.apply import Doing
from ionman.hosts.converge import only, prepare, signed
from ionman.hosts.layout import Layout
from ionman.hosts.lock import alone
from ionman.hosts.outcome import Asked, Outcome
from ionman.hosts.state import Service, service
from ionman.record import HOW, Memory

SETTLE = 2.0  # s that the first instance has to stay ready; it was good before


def rollback(name: str, layout: Layout, asked: Asked) -> Outcome:
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
        leaves, target = memory.back(running)
        instances = _instances(memory, leaves, sum(program.split(".")[1] == leaves for program in there.of(name)))
        one = _service(name, memory, (leaves, target), instances)
        there = only(facts.gather(layout, (one,)), lambda other: other == name)
        plan = handover.plan((one,), there, str(layout.configuration), leaves)
        prepare(layout, (one,))
        for step in plan.steps:
            asked.say(str(step))
        if not asked.check:
            gaps = frozenset({name} if one.how.allow_gap else ())
            Doing(layout, plan, asked.say, signed(asked.deploy), "rollback", gaps, leaves).all()
        return Outcome(plan.steps, difference.services(plan, there), plan.works, asked.check)


def _instances(memory: Memory, leaves: str, running: int) -> int:
    """How many are wanted now."""
    known = memory.records.get(leaves)
    if known and known.entry:
        return int(known.entry.get("instances", 1))
    if memory.pending and memory.pending.ran:
        return memory.pending.ran.instances
    return running


def _service(name: str, memory: Memory, way: tuple[str, str], instances: int) -> Service:
    """What was applied when the last good generation was, to be rolled to as was said last."""
    leaves, target = way
    entry = memory.records[target].entry if target in memory.records else None
    if entry is None:
        raise InputError(
            f"{name}: no generation before {leaves} was good on this host",
            remedy="ionman host history shows what ran; deploy a version that is right (ionman deploy)",
        )
    left = memory.records.get(leaves)
    how = {key: value for key, value in ((left and left.entry) or {}).items() if key in HOW}
    # What is left may be failing fast or refusing everybody: its numbers are no measure.
    how.update(soak=SETTLE, soak_errors=1, soak_latency=1000)
    kept = {**entry, "instances": instances}
    return replace(service({**kept, **how}, f"the record of {name} {target}"), entry=kept)
