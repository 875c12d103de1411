"""How many callees a procedure has on the router, at every moment: told by the meta API's events, not sampled.

Crossbar publishes `wamp.registration.on_create` with (session, {id, uri, ...}) and, as for every further callee,
`on_register` with (session, id); `on_unregister` has the same arguments.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Self

from ionman.calls.client import Client
from ionman.errors import IonmanError

AGAIN = 2.0  # s until the router is asked whether the count is right: a session may have been lost meanwhile
GRACE = 0.1  # s in which events that came before the answer are through
EXACT = {"match": "exact"}


class Callees:
    """A context manager: `tell` gets the number at the beginning, and when it changes; never, when it may not be asked.

    It is of the router that the client is joined to.
    """

    def __init__(self, client: Client, uri: str, tell: Callable[[int], None]) -> None:
        self._client, self._uri, self._tell = client, uri, tell
        self._registration: Any = None
        self._count = -1
        self._events = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> Self:
        with suppress(IonmanError):  # a role without the meta API: the number stays unknown, and the checker says so
            self._client.subscribe("wamp.registration.on_create", self._create)
            self._client.subscribe("wamp.registration.on_register", self._add)
            self._client.subscribe("wamp.registration.on_unregister", self._remove)
            self._look()
            self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(AGAIN + 15)

    def _look_again(self) -> None:
        while not self._over.wait(AGAIN):
            with suppress(IonmanError):  # no router: there will be one again
                self._look()

    def _look(self) -> None:
        """Ask for the number; an answer that events have overtaken does not count."""
        events = self._events
        registration = self._client.call("wamp.registration.lookup", self._uri, EXACT)
        count = self._client.call("wamp.registration.count_callees", registration) if registration else 0
        if not self._over.wait(GRACE) and events == self._events:
            self._registration = registration
            self._set(int(count or 0))

    def _create(self, session: int, registration: Mapping[str, Any]) -> None:
        del session
        if registration.get("uri") == self._uri:
            self._registration = registration["id"]
            self._events += 1
            self._count = 0  # `register` follows, with the first

    def _add(self, session: int, registration: int) -> None:
        del session
        self._changed(registration, 1)

    def _remove(self, session: int, registration: int) -> None:
        del session
        self._changed(registration, -1)

    def _changed(self, registration: int, by: int) -> None:
        if registration == self._registration:
            self._events += 1
            self._set(self._count + by)

    def _set(self, count: int) -> None:
        if count != self._count and not self._over.is_set():
            self._count = count
            self._tell(count)
