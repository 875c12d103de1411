"""Whether the service answers through each router: a call of its probe, as any caller would make it.

The answer may come from any instance of the service; that a call gets there and back is what is asked.
"""

import time
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

from ionman.errors import WampError
from ionman.runtime.connection import Connection
from ionman.runtime.lifecycle import State

SECONDS = 4.0


async def through(connections: Sequence[Connection], probe: str) -> dict[str, dict[str, Any]]:
    """Return for each router ``{"ms", "error"}``; `error` is empty when the call was answered."""
    found: dict[str, dict[str, Any]] = {}

    async def call(connection: Connection) -> None:
        began = time.monotonic()
        error = await _called(connection, probe)
        found[str(connection.router)] = {"ms": round((time.monotonic() - began) * 1000, 3), "error": error}

    await DeferredList([Deferred.fromCoroutine(call(one)) for one in connections], consumeErrors=True)
    return {"routers": found}


async def _called(connection: Connection, probe: str) -> str:
    if connection.session is None or connection.state is not State.READY:
        return connection.error or str(connection.state)
    try:
        await connection.session.ask(probe, SECONDS, {"n": 0})
    except WampError as error:
        return error.message
    return ""
