"""One WAMP session on one router: the login, requests and their answers, what the router sends by itself."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import cbor2

from ionman.calls import message as wamp
from ionman.calls.link import Link
from ionman.calls.login import Account, login
from ionman.calls.message import Body
from ionman.calls.opening import Silent, open_link
from ionman.calls.reach import Router, Trust
from ionman.errors import IonmanError, Refused, Unavailable

ROLES: dict[str, dict[str, Any]] = {"caller": {}, "callee": {}, "publisher": {}, "subscriber": {}}
OPENING, LOGIN = 5.0, 10.0  # s: the longest that one attempt may take, to the WebSocket and then to the session

# Gets the answer (a WAMP message), or the error that came instead of it.
Then = Callable[[list[Any] | IonmanError], None]


class Lost(Unavailable):
    """The session ended before the answer; `written` says whether the router can have got the request."""

    def __init__(self, why: Unavailable, *, written: bool) -> None:
        super().__init__(why.message, remedy=why.remedy)
        self.written = written


class Session:
    """A joined session. `heard` gets invocations and events, `ended` is called once when it is over."""

    strays: ClassVar[int] = 0  # answers to what is not asked (any more), on all sessions: there should be none

    def __init__(self, link: Link) -> None:
        self.link = link
        self.router = link.router
        self.heard: Callable[[Session, list[Any]], None] = _ignore
        self.ended: Callable[[Session, Unavailable], None] = _ignore
        self.aside: dict[int, Callable[[Sequence[Any]], None]] = {}  # subscription -> who gets its events' arguments
        self.busy = 0  # what keeps it from being idle: calls that are being answered, subscriptions still needed
        self._requests: dict[int, Then] = {}
        self._unsent: deque[tuple[Body, Then | None]] = deque()
        self._last = 0
        link.take, link.ended, link.drained = self._take, self._over, self._go_on

    @property
    def joined(self) -> bool:
        """Whether it can be used."""
        return self.link.gone is None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, in either direction."""
        return not (self._requests or self._unsent or self.busy)

    def ask(self, body: Body, then: Then | None) -> None:
        """Send the request, or keep it until the link has room; `then` is called once, unless None."""
        if self.link.gone:
            if then:
                asyncio.get_running_loop().call_soon(then, Lost(self.link.gone, written=False))
        elif self.link.full:
            self._unsent.append((body, then))
        else:
            self._send(body, then)

    def tell(self, *message: Any) -> None:
        """Send a message that is not answered; `InputError` when it cannot be."""
        self.link.send(bytes([0x80 + len(message)]) + wamp.encode(*message))

    def forget(self, then: Then) -> None:
        """Do not call `then` any more if it has not been sent yet; what has been sent stays asked."""
        self._unsent = deque(one for one in self._unsent if one[1] is not then)

    async def leave(self, why: Unavailable) -> None:
        """Say goodbye as far as the connection still allows it, and close."""
        self.tell(wamp.GOODBYE, {}, "wamp.close.close_realm")
        self.link.drop(why, politely=True)
        try:
            await asyncio.wait_for(asyncio.shield(self.link.closed), 1.0)
        except TimeoutError:
            self.link.abort()

    def _send(self, body: Body, then: Then | None) -> None:
        self._last += 1
        if then:
            self._requests[self._last] = then
        self.link.send(body.numbered(self._last))

    def _go_on(self) -> None:
        while self._unsent and not self.link.full:
            self._send(*self._unsent.popleft())

    def _take(self, message: list[Any]) -> None:
        kind = message[0]
        if kind in wamp.ANSWERS:
            if then := self._requests.pop(message[1], None):
                then(message)
            else:
                Session.strays += 1
        elif kind == wamp.ERROR:
            if then := self._requests.pop(message[2], None):
                then(wamp.failure(message[4], message[5:]))
            else:
                Session.strays += 1
        elif kind == wamp.EVENT and message[1] in self.aside:
            self.aside[message[1]](message[4] if len(message) > 4 else ())
        elif kind in (wamp.INVOCATION, wamp.EVENT):
            self.heard(self, message)
        elif kind in (wamp.GOODBYE, wamp.ABORT):
            said = f"{self.router} ended the session: {message[2]}"
            self.link.drop(Unavailable(said, remedy="it is stopping: look before asking again"))

    def _over(self, why: Unavailable) -> None:
        requests, unsent = self._requests, self._unsent
        self._requests, self._unsent = {}, deque()
        self.ended(self, why)
        for then in requests.values():
            then(Lost(why, written=True))
        for _, waiting in unsent:
            if waiting:
                waiting(Lost(why, written=False))


def _ignore(*what: object) -> None:
    """Nobody listens yet."""


async def join(router: Router, trusted: Trust, account: Account, limit: float) -> Session:
    """A session on `router` within `limit` seconds; raises `Refused`, or `Unavailable` that says why there is none."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + limit
    link = await open_link(router, trusted, min(OPENING, limit))
    limit = min(LOGIN, max(0.0, ends - loop.time()))
    try:
        async with asyncio.timeout(limit):
            await _log_in(link, account)
    except TimeoutError as error:
        late = Silent(router, limit)
        link.drop(late)
        raise late from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = Unavailable(f"{router} sent a login that cannot be answered ({error!r})", remedy="is it a router?")
        link.drop(why)
        raise why from error
    except BaseException:
        link.drop(Unavailable("the login failed"))
        raise
    return Session(link)


async def _log_in(link: Link, account: Account) -> None:
    said: asyncio.Queue[list[Any] | Unavailable] = asyncio.Queue()
    link.take = link.ended = said.put_nowait
    method = login(account)
    details = {"roles": ROLES, "authmethods": [method.method], "authextra": method.extra()}
    if account.user:
        details["authid"] = account.user
    link.send(cbor2.dumps([wamp.HELLO, account.realm, details]))
    message = await _next(said)
    if message[0] == wamp.CHALLENGE:
        # In a thread: for a password it is a computation that is meant to take long.
        answer = await asyncio.get_running_loop().run_in_executor(None, method.answer, message[2])
        link.send(cbor2.dumps([wamp.AUTHENTICATE, answer, {}]))
        message = await _next(said)
    if message[0] == wamp.ABORT:
        raise wamp.aborted(link.router, account.user, account.realm, message)
    if message[0] != wamp.WELCOME:
        raise Unavailable(f"{link.router} answered the login with WAMP message {message[0]}", remedy="is it a router?")
    if not method.accept(message[2].get("authextra") or {}):
        remedy = "do not trust what answers there: it let you in without knowing your password"
        raise Refused(f"{link.router} could not prove that it knows {account.user}", remedy=remedy)


async def _next(said: asyncio.Queue[list[Any] | Unavailable]) -> Sequence[Any]:
    message = await said.get()
    if isinstance(message, Unavailable):
        raise message
    return message
