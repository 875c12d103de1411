"""Calls until every instance has answered, and says who did: the instances' own counters tell (service contract)."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ionman.call import Client
from ionman.errors import Unavailable

MOST = 100  # calls
_STATS = re.compile(r"ionman\.service\.(?P<instance>.+)\.stats")


def instances(ops: Client, service: str) -> dict[str, str]:
    """The instances that are registered on the router: `<service>.<host>.<generation>.<n>` -> the URI of its stats."""
    found = {}
    for registration in ops.call("wamp.registration.list")["exact"]:
        uri = ops.call("wamp.registration.get", registration)["uri"]
        if (match := _STATS.fullmatch(uri)) and match["instance"].startswith(f"{service}."):
            found[match["instance"]] = uri
    return found


def counts(ops: Client, stats: Mapping[str, str], uri: str) -> dict[str, int]:
    """How many calls of `uri` each instance has counted."""
    return {instance: _calls(ops.call(name), uri) for instance, name in stats.items()}


def _calls(stats: dict[str, Any], uri: str) -> int:
    return int(stats["procedures"].get(uri, {}).get("calls", 0))


def until_all(client: Client, ops: Client, service: str, uri: str, argv: Any) -> tuple[Counter[str], Any]:
    """Call `uri` until each instance of `service` has answered; returns who answered how often, and the last answer.

    Raises `Unavailable` when one has not answered after `MOST` calls.
    """
    stats = instances(ops, service)
    answered: Counter[str] = Counter()
    before = counts(ops, stats, uri)
    for _ in range(MOST):
        answer = client.call(uri, argv)
        now = counts(ops, stats, uri)
        answered.update(name for name in stats if now[name] > before[name])
        before = now
        if stats and len(answered) == len(stats):
            return answered, answer
    silent = sorted(set(stats) - set(answered)) or [service]
    raise Unavailable(f"{', '.join(silent)} has not answered {uri} in {MOST} calls", remedy="look: ionman host status")
