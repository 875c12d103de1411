"""One WAMP call, made from anywhere: TLS with the CA verified, CBOR, a deadline of its own, each router in turn.

Blocking, with no reactor, so that it can be used again and again in one process (docs/decisions/0003). The router's
own call timeout is not used: Crossbar 26.10.1 fires it early and answers it as cancelled.
"""

import ssl
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from ionman.calls.client import Client
from ionman.calls.login import Account
from ionman.calls.message import MAX_SENT
from ionman.calls.reach import Router, open_websocket, parse, trust
from ionman.calls.session import Session
from ionman.errors import ConfigurationError, IonmanError, Late, Unavailable, WampError

__all__ = ["DEADLINE", "Account", "Caller", "Client", "call", "connect"]

DEADLINE = 30.0  # seconds, for everything from the name's resolution to the answer
NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure"


def connect(  # noqa: PLR0913 - where, who, what and how long
    routers: Iterable[str],
    *,
    realm: str = "ionman",
    user: str,
    password: str = "",
    key: str = "",
    ca: Path | str | None = None,
    deadline: float = DEADLINE,
    idempotent: Iterable[str] = (),
    largest: int = MAX_SENT,
) -> Client:
    """Join the first of `routers` (`host:port`) that lets `user` in, and return the client for calls and all else.

    `key` is an Ed25519 private key in hex, instead of `password`. `ca` is a PEM file; the system's authorities without
    one. `deadline` is in seconds, for joining, and for each call that names none. `idempotent` names what may run
    twice: URIs, or beginnings that end in `.` or `*`; such a call is made again when its answer got lost. `largest` is
    the routers' max_message_size, in octets.

    Raises `Refused`, `Unavailable`, `ConfigurationError` (ionman.errors).
    """
    account = Account(realm, user, password, key)
    return Client(routers, account, ca=ca, deadline=deadline, idempotent=idempotent, largest=largest)


def call(  # noqa: PLR0913 - where, who, what and how long
    uri: str,
    argv: Any = None,
    *,
    routers: Iterable[str],
    realm: str,
    user: str,
    password: str = "",
    key: str = "",
    ca: Path | str | None = None,
    deadline: float = DEADLINE,
) -> Any:
    """Call `uri` with the one parameter `argv` and return what it answered: `Caller` for a single call.

    `key` is an Ed25519 private key in hex, instead of `password`.
    """
    with Caller(routers, Account(realm, user, password, key), ca=ca, deadline=deadline) as caller:
        return caller.call(uri, *(() if argv is None else (argv,)))


class Caller:
    """Calls as one account, on the first of its routers that serves; a context manager that keeps its sessions open.

    `routers` are `host:port`, tried in turn: the next one when a router cannot be reached or knows no such procedure,
    so only when nothing can have run. `ca` is a PEM file; the system's authorities without one. `deadline` is in
    seconds, for each call with all that it takes.

    Raises `Refused`, `Unavailable`, `Late`, `WampError`, `ConfigurationError` (ionman.errors).
    """

    def __init__(
        self, routers: Iterable[str], account: Account, *, ca: Path | str | None = None, deadline: float = DEADLINE
    ) -> None:
        self._places = [parse(router) for router in routers]
        if not self._places:
            raise ConfigurationError("there is no router to ask", remedy="name one: host:port")
        if not deadline > 0:  # not a number is neither
            raise ConfigurationError(f"a deadline of {deadline} s leaves no time", remedy="give more than 0 seconds")
        self._trust: ssl.SSLContext = trust(Path(ca) if ca else None)
        self._account = account
        self._deadline = deadline
        self._sessions: dict[Router, Session] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        while self._sessions:
            self._sessions.popitem()[1].leave()

    def call(self, uri: str, *args: Any) -> Any:
        """Call `uri` with `args` and return its result: the one value, a list of several, None for none."""
        ends = time.monotonic() + self._deadline
        failures: list[Unavailable | WampError] = []
        for number, place in enumerate(self._places):
            try:
                joined = self._session(place, ends, len(self._places) - number)
            except Unavailable as error:
                failures.append(error)
                continue
            try:
                return joined.call(uri, *args)
            except WampError as error:
                if error.uri != NO_SUCH_PROCEDURE:
                    raise
                failures.append(error)
            except IonmanError:  # late, lost: what comes on this connection from now on is not to be trusted
                self._sessions.pop(place).leave()
                raise
        raise _together(failures)

    def _session(self, place: Router, ends: float, share: int) -> Session:
        """The session on `place`, opened when it is not yet there, within one of `share` parts of the time left."""
        left = ends - time.monotonic()
        if left <= 0:
            raise Late(f"the deadline passed before {place} was asked", remedy="give it more time")
        if place not in self._sessions:
            closing = ExitStack()
            websocket = open_websocket(place, self._trust, left / share, closing)
            self._sessions[place] = Session(place, websocket, ends, closing).join(self._account)
        self._sessions[place].deadline = ends
        return self._sessions[place]


def _together(failures: list[Unavailable | WampError]) -> Unavailable | WampError:
    """One error for all routers: an answer before a failure to get one, and what each said when none was reached."""
    for error in failures:
        if isinstance(error, WampError):
            return error
    if len(failures) == 1:
        return failures[0]
    said = "".join(f"\n  {error.message}" for error in failures)
    return Unavailable(f"no router can be reached:{said}", remedy=failures[-1].remedy)
