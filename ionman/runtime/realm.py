"""A module's way to the realm: calls go through one router, events to all of them."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, fail

from ionman.errors import WampError
from ionman.runtime import values
from ionman.runtime.classes import Details
from ionman.runtime.connection import Connection
from ionman.runtime.dispatch import DRAINED
from ionman.runtime.lifecycle import State
from ionman.runtime.session import RouterSession

NO_ROUTER = "ionman.error.no_router"
STARTING = (State.CONNECTING, State.REGISTERING)
REMEMBERED = 10_000  # events


class Realm:
    """Calls and publishes for modules.

    An event goes to every router, so that none of them has to be up for it to be heard, and a service hears it on every
    router. So where there are `several` an event has a key: a router takes it once, also when another router brings it
    (ionman.routers.linking), and `seen` tells the second time here.
    """

    def __init__(
        self, connections: Sequence[Connection], call_timeout: float, *, several: bool, most: int = values.MESSAGE_BYTES
    ) -> None:
        self._connections = connections
        self._call_timeout = call_timeout
        self._several = several
        self._most = most
        self._closed = ""
        self.own: Mapping[str, str] = {}  # own procedures -> this instance's `call`
        self._events: OrderedDict[tuple[str, str | None, str], None] = OrderedDict()

    def call(self, uri: str, argv: Any) -> "Deferred[Any]":
        """Call `uri` through the first router that we are on, with the configured deadline."""
        if wrong := values.problem(argv, "argument", self._most):
            return fail(WampError("wamp.error.invalid_argument", f"{uri}: {wrong}"))
        if self._closed:
            return fail(WampError(DRAINED, f"{uri}: {self._closed}"))
        if uri in self.own and all(one.state in STARTING for one in self._connections):
            return self._call_ourselves(uri, argv)
        sessions = self._sessions()
        if not sessions:
            return fail(WampError(NO_ROUTER, f"{uri}: no router can be reached now"))
        return sessions[0].ask(uri, self._call_timeout, argv)

    def _call_ourselves(self, uri: str, argv: Any) -> "Deferred[Any]":
        """Call what this instance has not registered yet, and another release may have: a verify is about this one."""
        offerings = [one.offering for one in self._connections if one.offering and one.offering.answers]
        there = [one.session for one in offerings if one.session in self._sessions()]
        if not there:
            return fail(WampError(NO_ROUTER, f"{uri}: this instance is on no router yet"))
        return there[-1].ask(self.own[uri], self._call_timeout, {"uri": uri, "argv": argv})

    def publish(self, topic: str, data: Any) -> "Deferred[None]":
        """Publish on every router that we are on; fires when one has it, fails when none has."""
        if wrong := values.problem(data, "data", self._most):
            return fail(WampError("wamp.error.invalid_argument", f"{topic}: {wrong}"))
        if self._closed:
            return fail(WampError(DRAINED, f"{topic}: {self._closed}"))
        key = secrets.token_hex(8) if self._several else ""
        told = [session.tell(topic, data, key) for session in self._sessions()]
        if not told:
            return fail(WampError(NO_ROUTER, f"{topic}: no router can be reached now"))
        # A router that is silent keeps nobody waiting while another has it.
        return DeferredList(told, fireOnOneCallback=True, consumeErrors=True).addCallback(_one_of)

    def close(self, why: str) -> None:
        """Let nothing out any more: what was cancelled in the middle is to publish no half of its work."""
        self._closed = why

    def seen(self, details: Details) -> bool:
        """Whether this event has come before, by another router."""
        if not details.key:
            return False
        event = (details.uri, details.caller_authid, details.key)
        if event in self._events:
            return True
        self._events[event] = None
        if len(self._events) > REMEMBERED:
            self._events.popitem(last=False)
        return False

    def _sessions(self) -> list[RouterSession]:
        """Those on routers that we are not about to leave come first."""
        serving = sorted(self._connections, key=lambda one: one.state is State.CONNECTING)
        return [one.session for one in serving if one.session is not None]


def _one_of(outcome: tuple[Any, int] | list[tuple[bool, Any]]) -> None:
    """What DeferredList tells: the first success, or all failures."""
    if isinstance(outcome, list):
        outcome[0][1].raiseException()
