"""To which generation a rollback goes: one for the whole fleet, from what each host remembers. Pure.

What a host remembers of a service travels as JSON, its *memory*::

    {"running": [generation], "pending": {"to", "ran", "tried", "back"} or null,
     "records": {generation: {"mark", "when", "why", "version", "kept"}}}        kept: with what it was applied
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ionman.errors import InputError
from ionman.record import FAILED, Memory, Pending, Ran, Record

Memories = Mapping[str, Mapping[str, Any]]


def choose(known: Memories, service: str) -> dict[str, str]:
    """Host -> the generation that it goes to; `known` has each host's memory. A host where nothing runs has none.

    Hosts that share no generation have configurations of their own: each of them goes back for itself. Raises
    `InputError` when nothing before was good on any host.
    """
    chosen: dict[str, str] = {}
    for hosts in _groups(known):
        running = {host for host in hosts if known[host]["running"]}
        if running:
            chosen |= dict.fromkeys(running, "") | _one({host: known[host] for host in hosts}, running, service)
    return chosen


def lender(known: Memories, host: str, generation: str) -> str:
    """Who lends `host` what `generation` was applied with; empty when it has that itself, or nobody has."""
    have = [other for other in known if _kept(known[other], generation)]
    return "" if host in have or not have else have[0]


def _kept(memory: Mapping[str, Any], generation: str) -> bool:
    return bool(memory["records"].get(generation, {}).get("kept"))


def _groups(known: Memories) -> list[set[str]]:
    """The hosts, together with those that know a generation that they know too."""
    groups: list[tuple[set[str], set[str]]] = []
    for host, memory in known.items():
        hosts, names = {host}, {*memory["records"], *memory["running"]}
        for group in [one for one in groups if one[1] & names]:
            groups.remove(group)
            hosts, names = hosts | group[0], names | group[1]
        groups.append((hosts, names))
    return [hosts for hosts, _ in groups]


def _one(known: Memories, running: Iterable[str], service: str) -> dict[str, str]:
    """What the hosts where it runs go to: what each would by itself, when all mean the same; else the fleet's last."""
    fleet = _together(known)
    own = {_memory(known[host]).back(known[host]["running"])[1] for host in running}
    if len(own) == 1 and (same := own.pop()) and fleet.mark(same) != FAILED:
        return dict.fromkeys(running, same)
    leaves, to = fleet.back({name for host in running for name in known[host]["running"]})
    if not to:
        raise InputError(
            f"{service}: no generation before {leaves} was good on any host",
            remedy="nothing was changed; ionman history shows what ran, and a deploy brings what you want",
        )
    return dict.fromkeys(running, to)


def _together(known: Memories) -> Memory:
    """What the hosts know as if they were one: of each generation what was said last, by the hosts' clocks."""
    records: dict[str, Record] = {}
    pending: Pending | None = None
    for host in known:
        own = _memory(known[host])
        pending = own.pending if own.pending and own.pending.back else pending
        for name, record in own.records.items():
            if name not in records or record.when > records[name].when:
                records[name] = record
    return Memory(records, pending if pending and records.get(pending.to, Record()).mark != FAILED else None)


def _memory(memory: Mapping[str, Any]) -> Memory:
    records = {name: Record(one["mark"], one["when"], one["why"]) for name, one in memory["records"].items()}
    pending = memory["pending"]
    if pending is None:
        return Memory(records)
    return Memory(records, Pending(**{**pending, "ran": Ran(**pending["ran"]) if pending["ran"] else None}))
