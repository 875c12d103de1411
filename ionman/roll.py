"""Across hosts: which host is first, how many at a time, when to stop, and what is said at the end. Pure.

What a host knows of a roll travels as JSON, its *steps*::

    {"look": {"fleet": [host], "verb", "changed", "services": [change], "why"},   before anything changes
     "roll": {"result", "services": [change], "running": [row], "why"},           after this host's turn
     "end":  {"result", "running": [row], "why"}}                                  after the last host's turn

A *change* is ``{"service", "from", "to"}`` with ``{"generation", "version", "instances"}`` or null on either side, as
`ionman host apply --json` tells it; a *row* is one of `ionman host status --json`. Results of a turn: done, unchanged,
failed, unreachable, refused (before it began), not begun.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ionman.errors import InputError

Steps = Mapping[str, Any]
BAD = frozenset({"failed", "unreachable", "refused"})
_SHARE = re.compile(r"(?P<number>[1-9][0-9]{0,5})(?P<percent> ?%)?")


@dataclass(frozen=True)
class Rolling:
    """The hosts in the order of their turns, batch by batch; the first of `batches` is the canary.

    `canaries`: host -> service -> how many of its new instances are watched (percentages only); `soaked`: the hosts on
    which they are watched for the long time.
    """

    batches: tuple[tuple[str, ...], ...] = ()
    canaries: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    soaked: frozenset[str] = frozenset()

    @property
    def order(self) -> list[str]:
        """All hosts, in turn."""
        return [host for batch in self.batches for host in batch]

    @property
    def sizes(self) -> list[int]:
        """How many hosts are in each batch, as `serial` of a play takes it."""
        return [len(batch) for batch in self.batches] or [1]


def steps(result: Any) -> dict[str, Any]:
    """The steps in a task's result; none in another task's. Of a failed task they stand below `invocation`."""
    whole = result if isinstance(result, Mapping) else {}
    invocation = whole.get("invocation")
    found = whole.get("steps") or (invocation.get("steps") if isinstance(invocation, Mapping) else None)
    return dict(found) if isinstance(found, Mapping) and "look" in found else {}


def share(text: object, total: int, place: str) -> int:
    """How many of `total` are meant by a whole number or a percentage (rounded up): at least 1, at most `total`.

    Raises `InputError` naming `place` for anything else.
    """
    match = _SHARE.fullmatch(str(text).strip())
    if not match or (match["percent"] and int(match["number"]) > 100):
        raise InputError(f"{place}: {text!r} is no number of hosts", remedy="write 1, 2 ... or 1% to 100%")
    number = int(match["number"])
    wanted = math.ceil(total * number / 100) if match["percent"] else number
    return max(1, min(wanted, total))


def spread(total: int, hosts: Sequence[str], out: Iterable[str] = ()) -> dict[str, int]:
    """Host -> how many of `total` instances it runs: as even as can be, the first hosts have one more; `out` none."""
    inside = [host for host in hosts if host not in set(out)]
    if total and not inside:
        raise InputError(f"{total} instances have no host to run on", remedy="leave a host in the group services")
    each, more = divmod(total, len(inside)) if inside else (0, 0)
    numbers = {host: each + (place < more) for place, host in enumerate(inside)}
    return {host: numbers.get(host, 0) for host in hosts}


def arrange(looks: Mapping[str, Steps], canary: object = "1", batch: object = "1") -> Rolling:
    """The turns of the hosts that have something to change; `looks` has each host's look, in the inventory's order.

    A host that only grows has its turn before one that shrinks, so that the fleet never has fewer instances than it
    had or is to have. Hosts that lose a service go one by one: two at a time would each count on the other. Where
    nothing runs yet there is nothing to protect: all hosts at once.
    """
    changing = sorted((host for host in looks if looks[host]["changed"]), key=lambda host: _kind(looks[host]))
    first, rest = share(canary, len(changing), "service_canary"), share(batch, len(changing), "service_batch")
    if not changing:
        return Rolling()
    if not any(change["from"] for look in looks.values() for change in look["services"]) and _told(looks):
        return Rolling((tuple(changing),), soaked=frozenset(changing))
    verb = looks[changing[0]].get("verb")
    if verb != "rollback" and not any(_renewed(looks[host]) for host in changing) and _told(looks):
        return Rolling(_one_by_one(_by_kind(changing, looks, rest), looks))
    canaries = _canaries(changing, looks, str(canary)) if "%" in str(canary) else {}
    first = max(1, len(canaries)) if "%" in str(canary) else first
    batches = [changing[:first], *(changing[at : at + rest] for at in range(first, len(changing), rest))]
    return Rolling(_one_by_one(batches, looks), canaries, frozenset(changing[:first]))


def _told(looks: Mapping[str, Steps]) -> bool:
    """Whether the hosts said which services change."""
    return any(look["services"] for look in looks.values())


def _growth(change: Mapping[str, Any]) -> int:
    return sum(sign * (change[side] or {}).get("instances", 0) for side, sign in (("to", 1), ("from", -1)))


def _kind(look: Steps) -> int:
    """0: has an old generation to compare with; 1: is new; 2: loses instances."""
    if sum(_growth(change) for change in look["services"]) < 0:
        return 2
    return 0 if not look["services"] or any(change["from"] for change in look["services"]) else 1


def _renewed(look: Steps) -> bool:
    """Whether a generation is replaced here, or begins where none of its service was."""
    return any(
        change["to"] and change["from"] and change["to"]["generation"] != change["from"]["generation"]
        for change in look["services"]
    ) or (look.get("verb") != "scale" and any(change["to"] and not change["from"] for change in look["services"]))


def _by_kind(changing: Sequence[str], looks: Mapping[str, Steps], size: int) -> tuple[tuple[str, ...], ...]:
    """Batches of `size`: first of those that grow, then of those that shrink, never of both."""
    grow = tuple(host for host in changing if _kind(looks[host]) != 2)
    shrink = tuple(host for host in changing if host not in grow)
    return tuple(kind[at : at + size] for kind in (grow, shrink) for at in range(0, len(kind), size))


def _one_by_one(batches: Iterable[Sequence[str]], looks: Mapping[str, Steps]) -> tuple[tuple[str, ...], ...]:
    """`batches`, in which a host that loses a service is alone, unless it may leave a gap."""
    found: list[tuple[str, ...]] = []
    for batch in batches:
        losing = [host for host in batch if any(map(_loses, looks[host]["services"]))]
        found += [rest] if (rest := tuple(host for host in batch if host not in losing)) else []
        found += [(host,) for host in losing]
    return tuple(found)


def _loses(change: Mapping[str, Any]) -> bool:
    return bool(change["from"]) and not _wanted(change) and not change.get("allow_gap")


def _wanted(change: Mapping[str, Any]) -> bool:
    return bool(change["to"] and change["to"]["instances"])


def _canaries(changing: Sequence[str], looks: Mapping[str, Steps], canary: str) -> dict[str, dict[str, int]]:
    """Host -> service -> instances: of each service that changes, `canary` of all its instances in the fleet."""
    total: dict[str, int] = {}
    for host in changing:
        for change in looks[host]["services"]:
            if change["to"] and change["to"] != change["from"]:
                total[change["service"]] = total.get(change["service"], 0) + change["to"]["instances"]
    left = {service: share(canary, number, "service_canary") for service, number in total.items() if number}
    found: dict[str, dict[str, int]] = {}
    for host in changing:
        if not any(left.values()):
            break
        for change in looks[host]["services"]:
            service = change["service"]
            here = min(left.get(service, 0), change["to"]["instances"] if change["to"] else 0)
            if here:
                found.setdefault(host, {})[service] = here
                left[service] -= here
    return found


def stop(known: Mapping[str, Steps], fleet: Sequence[str]) -> str:
    """Why no further host has its turn; empty when it may have. `known`: the steps of each host of `fleet`."""
    for host in fleet:
        if "look" not in known.get(host, {}):
            return f"{host} dropped out before the services were looked at"
    for host in fleet:
        turn = known[host].get("roll", {})
        if turn.get("result") in BAD:
            return f"{host} {'could not be reached' if turn['result'] == 'unreachable' else turn['result']}"
    return ""


def blamed(known: Mapping[str, Steps]) -> bool:
    """Whether a generation is at fault for the failure: the host on which it failed has marked it so."""
    return any(
        change["to"] and change["to"]["generation"] in known[host]["roll"].get("blamed", ())
        for host in known
        if known[host].get("roll", {}).get("result") == "failed"
        for change in known[host]["look"]["services"]
    )


def strange(looks: Mapping[str, Steps], service: str, host: str) -> str:
    """Why a scale would start on `host` something else than what runs on the others; empty when it would not."""
    here, change = common(looks, service), _change(looks[host], service) or {"from": None, "to": None}
    if not here or change["from"] or (change["to"] and change["to"]["generation"] == here):
        return ""
    new = f" as {change['to']['version']} {change['to']['generation']}" if change["to"] else ""
    return f"{service} runs as {here} elsewhere, and by the inventory would start here otherwise{new}: deploy first"


def common(looks: Mapping[str, Steps], service: str) -> str:
    """The generation of `service` that runs wherever it runs; empty when there are several."""
    changes = (_change(look, service) for look in looks.values())
    found = {change["from"]["generation"] for change in changes if change and change["from"]}
    return str(found.pop()) if len(found) == 1 else ""


def gap(looks: Mapping[str, Steps]) -> str:
    """Why nothing may begin: a service that runs would run nowhere any more, and none of its hosts may leave a gap."""
    gone: dict[str, list[bool]] = {}
    stays = {change["service"] for look in looks.values() for change in look["services"] if _wanted(change)}
    for look in looks.values():
        for change in look["services"]:
            if change["service"] not in stays and change["from"]:
                gone.setdefault(change["service"], []).append(bool(change.get("allow_gap")))
    names = sorted(name for name, allowed in gone.items() if not all(allowed))
    if not names:
        return ""
    return (
        f"{', '.join(names)} would run on no host any more, and its callers find none\n"
        "  say that this is meant: -e service_allow_gap=true"
    )


def _change(look: Steps, service: str) -> Mapping[str, Any] | None:
    return next((change for change in look["services"] if change["service"] == service), None)
