"""A module's way to the realm: calls go through one router, events to all of them."""

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail

from ionman.errors import WampError
from ionman.runtime import values
from ionman.runtime.connection import Connection
from ionman.runtime.session import RouterSession

EVENT = "ionman_event"
REMEMBERED = 10_000  # events


class Realm:
    """Calls and publishes for modules.

    A caller is on one router, so an event goes to every router; a service is on every router, so it would get that
    event several times: where there are `several`, an event carries an id, and `seen` tells the second time.
    """

    def __init__(
        self, connections: Sequence[Connection], call_timeout: float, *, several: bool, most: int = values.MESSAGE_BYTES
    ) -> None:
        self._connections = connections
        self._call_timeout = call_timeout
        self._several = several
        self._most = most
        self._events: OrderedDict[str, None] = OrderedDict()

    def call(self, uri: str, argv: Any) -> "Deferred[Any]":
        """Call `uri` through the first router that we are on, with the configured deadline."""
        if wrong := values.problem(argv, "argument", self._most):
            return fail(WampError("wamp.error.invalid_argument", f"{uri}: {wrong}"))
        sessions = self._sessions()
        if not sessions:
            return fail(WampError("ionman.error.no_router", f"{uri}: no router can be reached now"))
        return sessions[0].ask(uri, argv, self._call_timeout)

    def publish(self, topic: str, data: Any) -> "Deferred[None]":
        """Publish on every router that we are on; fires when one has it, fails when none has."""
        if wrong := values.problem(data, "data", self._most):
            return fail(WampError("wamp.error.invalid_argument", f"{topic}: {wrong}"))
        extra = {EVENT: secrets.token_hex(8)} if self._several else {}
        told = [session.tell(topic, data, extra) for session in self._sessions()]
        if not told:
            return fail(WampError("ionman.error.no_router", f"{topic}: no router can be reached now"))
        return DeferredList(told, consumeErrors=True).addCallback(_one_of)

    def seen(self, kwargs: dict[str, Any]) -> bool:
        """Take the id out of an event's keywords; whether it has come before."""
        event = kwargs.pop(EVENT, None)
        if not isinstance(event, str):
            return False
        if event in self._events:
            return True
        self._events[event] = None
        if len(self._events) > REMEMBERED:
            self._events.popitem(last=False)
        return False

    def _sessions(self) -> list[RouterSession]:
        return [one.session for one in self._connections if one.session is not None]


def _one_of(results: list[tuple[bool, Any]]) -> None:
    if not any(good for good, _ in results):
        results[0][1].raiseException()
