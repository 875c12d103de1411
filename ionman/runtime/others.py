"""Whether other sessions offer what this instance offers, asked of the routers' own registries.

wamp.registration.lookup and .count_callees are the WAMP meta API (the WAMP specification, "Registration Meta API");
a service's role is allowed just these two, and may be refused even them on a router of another make.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from ionman.errors import WampError
from ionman.runtime.connection import Connection
from ionman.runtime.lifecycle import State

LOOKUP, COUNT = "wamp.registration.lookup", "wamp.registration.count_callees"
SECONDS = 4.0  # for each of the two questions


async def others(connections: Sequence[Connection], uris: Sequence[str]) -> dict[str, list[str]]:
    """Return the URIs that nobody else has on some router (`alone`), and those of which that cannot be told."""
    found: dict[str, set[str]] = {"alone": set(), "unknown": set()}

    async def look(connection: Connection, uri: str) -> None:
        count = await _callees(connection, uri)
        if count is None:
            found["unknown"].add(uri)
        elif count <= 1:
            found["alone"].add(uri)

    waiting = [Deferred.fromCoroutine(look(connection, uri)) for connection in connections for uri in uris]
    await DeferredList(waiting, consumeErrors=True)
    found["unknown"] -= found["alone"]
    return {name: sorted(there) for name, there in found.items()}


async def _callees(connection: Connection, uri: str) -> int | None:
    """How many sessions have registered `uri`, ourselves included; None when this router does not say."""
    if connection.session is None or connection.state is not State.READY:
        return None
    try:
        number: Any = await connection.session.ask(LOOKUP, SECONDS, uri, {"match": "exact"})
        count: Any = await connection.session.ask(COUNT, SECONDS, number)
    except WampError:
        return None
    return count if isinstance(count, int) else None
