"""The lock on one router: one client that registers it, asks who has it, and publishes."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ionman
from ionman.calls.client import Client
from ionman.calls.keeping import Kept
from ionman.errors import ConfigurationError, IonmanError, Late, Refused, Unavailable, WampError
from ionman.lock import LOCK, NOBODY, Answer, Owner, owner

REACH = 8.0  # s for a router to let us in; login takes 0.1 s of computing, and a busy machine more
COMING = 8.0  # s that a holder gets to come back to a restarted router; it tries every 5 s at least
ASK = 4.0  # s for one question to it, or to the lock's holder by way of it
EXISTS = "wamp.error.procedure_already_exists"
GONE = "wamp.error.no_such_procedure"


@dataclass(frozen=True)
class Login:
    """How the routers are entered."""

    realm: str
    user: str
    password: str
    ca: Path | None = None

    def connect(self, router: str) -> Client:
        """A client joined to `router`; raises what `ionman.connect` does."""
        return ionman.connect(
            [router], realm=self.realm, user=self.user, password=self.password, ca=self.ca, deadline=REACH
        )


class Post:
    """`attempt` until it is got; the client brings it back when the connection is lost. Threads may share it."""

    def __init__(self, router: str, login: Login, owner: Owner, answer: Callable[[], dict[str, Any]]) -> None:
        self.router = router
        self._login = login
        self._owner = owner
        self._answer = answer
        self._client: Client | None = None
        self._kept: Kept | None = None
        self._ended = False
        self._other = False  # somebody held it when we last asked
        self._missed = 0.0  # since when we are back, after the router was lost to us and to that holder
        self._alone = threading.Lock()

    @property
    def got(self) -> bool:
        """Whether this router's lock is ours now, as far as is known."""
        kept = self._kept
        return kept is not None and kept.number != 0

    @property
    def joined_once(self) -> bool:
        """Whether it was got before: then the client brings it back by itself."""
        return self._kept is not None

    def attempt(self) -> Answer:
        """Register the lock, or find out why it is not: takes `REACH` and twice `ASK` at most."""
        with self._alone:
            if self.got:
                return Answer(self.router, "got")
            if self._ended:
                return Answer(self.router, "away", "it is given back")
            answer = self._try()
            if answer.kind == "got" or answer.by != NOBODY:
                self._other = answer.kind == "taken"
            if answer.kind != "taken" or answer.by != NOBODY:
                self._missed = 0.0
            return answer

    def release(self) -> None:
        """Leave the router: what was registered is free at once."""
        with self._alone:
            self._close()

    def end(self) -> None:
        """Leave for good: an attempt that another thread begins now does nothing."""
        self._ended = True
        self.release()

    def publish(self, topic: str, document: dict[str, Any]) -> bool:
        """Publish, if the lock is held here; whether that went well."""
        client = self._client
        if not client or not self.got:
            return False
        try:
            client.publish(topic, document, deadline=ASK)
        except IonmanError:
            return False
        return True

    # --- inside -------------------------------------------------------------------------------------------------

    def _try(self) -> Answer:
        try:
            return self._again(self._client, self._kept) if self._client and self._kept else self._first()
        except (Refused, ConfigurationError) as error:
            return self._without("barred", error)
        except IonmanError as error:
            return self._without("away", error)
        except OSError as error:  # this machine's: no memory, no descriptors
            return self._without("away", Unavailable(f"it cannot be asked: {error.strerror or error}"))

    def _first(self) -> Answer:
        if self._client and not self._client.router:
            raise Unavailable("the connection was lost")
        back = self._client is None and self._other
        client = self._client or self._connect()
        if back:
            self._missed = time.monotonic()
        if self._missed and time.monotonic() - self._missed < COMING:
            return self._who(client)
        try:
            self._kept = client.register(LOCK, lambda *_: self._answer(), invoke="single")
        except WampError as error:
            if error.uri != EXISTS:
                raise
            return self._who(client)
        return Answer(self.router, "got")

    def _again(self, client: Client, kept: Kept) -> Answer:
        """What became of a registration that was got once: the client makes it again on its next session."""
        if isinstance(kept.error, WampError) and kept.error.uri == EXISTS:
            return self._who(client)
        if isinstance(kept.error, Refused):
            return Answer(self.router, "barred", kept.error.message)
        return Answer(self.router, "away", "the connection was lost")

    def _connect(self) -> Client:
        if self._login.ca and not self._login.ca.exists():  # a first deploy makes it, before any router
            raise Unavailable(f"the authority {self._login.ca} is not there yet")
        self._client = self._login.connect(self.router)
        return self._client

    def _who(self, client: Client) -> Answer:
        """Who holds it: asked, because the router names no session in its refusal."""
        try:
            document = client.call(LOCK, deadline=ASK)
        except Late:
            return Answer(self.router, "taken", "its holder does not answer", settled=False)
        except WampError as error:
            left = "its holder gets time to come back to it" if self._missed else "it is just being given back"
            why = left if error.uri == GONE else error.message
            return Answer(self.router, "taken", why, settled=False)
        by = owner(document)
        if by.id == self._owner.id:
            return Answer(self.router, "away", "it still keeps our own connection of before")
        if by == NOBODY:
            return Answer(self.router, "taken", "who answers there is no holder of a lock")
        return Answer(self.router, "taken", by=by, settled=document.get("settled") is not False)

    def _without(self, kind: Literal["away", "barred"], error: IonmanError) -> Answer:
        if self._kept is None:
            self._close()
        return Answer(self.router, kind, error.message.splitlines()[0])

    def _close(self) -> None:
        client, self._client, self._kept = self._client, None, None
        if client:
            with suppress(IonmanError):
                client.close()
