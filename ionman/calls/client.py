"""The client that any thread may use: one thread behind it holds the sessions, and is woken for each request."""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, Self

from ionman.calls import message as wamp
from ionman.calls import rules
from ionman.calls.asking import Asking, Question, Reply
from ionman.calls.joining import Joining
from ionman.calls.keeping import Keeping, Kept
from ionman.calls.login import Account, login
from ionman.calls.reach import Trust, parse
from ionman.calls.wamp import Session
from ionman.errors import ConfigurationError, InputError, IonmanError, Late, Unavailable

DEADLINE = 30.0  # seconds


class Client:
    """Joined to one of `routers` (`host:port`), and to the next when that one breaks or falls silent.

    See `ionman.call.connect`, which makes one. A context manager; every method may be called from any thread.
    """

    def __init__(  # noqa: PLR0913 - where, who and how
        self,
        routers: Iterable[str],
        account: Account,
        *,
        ca: Path | str | None = None,
        deadline: float = DEADLINE,
        idempotent: Iterable[str] = (),
        largest: int = wamp.MAX_SENT,
    ) -> None:
        places = list(dict.fromkeys(parse(router) for router in routers))
        if not places:
            raise ConfigurationError("there is no router to ask", remedy="name one: host:port")
        login(account)  # says what is wrong with the secret
        self._deadline = _seconds(deadline)
        self._idempotent = tuple(idempotent)
        self._largest = largest
        self._closed = False
        self._lost_callbacks: list[Callable[[IonmanError], None]] = []
        self._inbox: deque[Question] = deque()
        self._woken = False
        self._start(places, account, Trust(Path(ca) if ca else None, account.certificate))

    def _start(self, places: list[Any], account: Account, trusted: Trust) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ionman-client", daemon=True)
        self._joining = Joining(places, account, trusted, self._changed, self._lost)
        self._asking = Asking(self._joining, self._loop)
        self._keeping = Keeping(self._loop, self._tell_lost)
        self._keeper: asyncio.Task[None] | None = None
        self._thread.start()
        try:
            self._wait(self._run(self._first()), self._deadline + 5)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # --- what it does -------------------------------------------------------------------------------------------

    def call(self, uri: str, *args: Any, deadline: float | None = None, idempotent: bool | None = None) -> Any:
        """Call `uri` with `args` and return its result: the one value, a list of several, None for none.

        Raises `Refused`, `WampError` (an error was the answer), `Late`, `Unavailable` (no router, or lost on the way:
        then it may have run), `InputError` for what cannot be sent.
        """
        return self._wait(self.submit(uri, *args, deadline=deadline, idempotent=idempotent))

    def submit(self, uri: str, *args: Any, deadline: float | None = None, idempotent: bool | None = None) -> Reply:
        """Call, and return what the answer will be in: a `concurrent.futures.Future` that also tells its `tries`."""
        wamp.check(uri)
        body = wamp.body(wamp.CALL, {}, uri, *([list(args)] if args else []), largest=self._largest)
        if idempotent is None:
            idempotent = rules.declared(uri, self._idempotent)
        return self._ask(uri, body, deadline, idempotent)

    def publish(self, topic: str, *args: Any, acknowledge: bool = True, deadline: float | None = None) -> None:
        """Publish `args` to all who subscribed `topic`, this client too; `acknowledge` waits for the router."""
        wamp.check(topic, "topic")
        options = {"acknowledge": acknowledge, "exclude_me": False}
        parts = [list(args)] if args else []
        body = wamp.body(wamp.PUBLISH, options, topic, *parts, largest=self._largest)
        reply = self._ask(topic, body, deadline, False, acknowledge)
        if acknowledge:
            self._wait(reply)

    def subscribe(
        self,
        topic: str,
        callback: Callable[..., Any],
        match: Literal["exact", "prefix"] = "exact",
        *,
        details: bool = False,
    ) -> Kept:
        """Call `callback(*args)` for each event of `topic`, one after the other, on a thread of the client's.

        With `details` it also gets the keyword `details`: a mapping with `topic` (for a prefix), `publisher_authid`...
        What is returned has `cancel()`.
        """
        wamp.check(topic.rstrip(".") if match == "prefix" else topic, "topic")
        return self._keep(Kept(topic, callback, wamp.body(wamp.SUBSCRIBE, {"match": match}, topic), details))

    def register(
        self, uri: str, function: Callable[..., Any], invoke: str = "single", *, details: bool = False
    ) -> Kept:
        """Answer calls of `uri` with what `function(*args)` returns; a `WampError` that it raises is the answer too.

        It runs on threads of the client's. With `details` it also gets the keyword `details`: a mapping with
        `caller_authid`... What is returned has `cancel()`, and `error`: why it is not registered now (another has it,
        after the connection was lost), None when it is; it is tried again and again.
        """
        wamp.check(uri)
        return self._keep(Kept(uri, function, wamp.body(wamp.REGISTER, {"invoke": invoke}, uri), details))

    def on_lost(self, callback: Callable[[IonmanError], None]) -> None:
        """Call `callback(why)` when the router is lost, and when the next refuses a registration or subscription."""
        self._lost_callbacks.append(callback)

    @property
    def router(self) -> str:
        """The router that it is joined to now, `host:port`; empty while there is none."""
        home = self._joining.home
        return str(home.router) if home else ""

    @property
    def routers(self) -> list[str]:
        """All that it is joined to now: home, and those where a procedure was found that home does not know."""
        return [str(session.router) for session in self._joining.sessions()]

    def close(self) -> None:
        """Leave. What is in flight ends with `Unavailable`."""
        if self._closed:
            return
        if threading.current_thread() is self._thread:  # in a done-callback: this thread cannot wait for itself
            threading.Thread(target=self.close, name="ionman-close").start()
            return
        self._closed = True
        with contextlib.suppress(TimeoutError):
            self._run(self._leave()).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
        while self._inbox:  # asked while it was closing
            self._inbox.popleft().reply.set_exception(Unavailable("the client was closed"))

    # --- on the caller's thread ---------------------------------------------------------------------------------

    def _ask(self, uri: str, body: wamp.Body, deadline: float | None, idempotent: bool, answered: bool = True) -> Reply:
        ends = time.monotonic() + (self._deadline if deadline is None else _seconds(deadline))
        question = Question(Reply(uri), body, ends, idempotent, answered)
        self._inbox.append(question)
        if not self._woken:
            self._woken = True
            self._wake()
        return question.reply

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take)
        except RuntimeError as error:  # the loop is closed
            self._woken = False
            raise Unavailable("the client has been closed", remedy="connect again") from error

    def _keep(self, kept: Kept) -> Kept:
        kept.cancel = lambda: self._cancel(kept)
        self._loop.call_soon_threadsafe(self._keeping.add, kept)
        try:
            self._wait(kept.made, self._deadline)
        except TimeoutError as error:
            kept.cancel()
            raise Late(f"{kept.uri} was not made before the deadline", remedy="look at the router's log") from error
        return kept

    def _cancel(self, kept: Kept) -> None:
        if not self._closed:
            self._loop.call_soon_threadsafe(self._keeping.drop, kept)

    def _run(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, future: "Future[Any]", seconds: float | None = None) -> Any:
        if threading.current_thread() is self._thread:
            remedy = "use submit() in a done-callback, or another thread"
            raise InputError("the client's own thread cannot wait for an answer", remedy=remedy)
        return future.result(seconds)

    # --- on the loop's thread -----------------------------------------------------------------------------------

    def _take(self) -> None:
        self._woken = False
        while self._inbox:
            self._asking.start(self._inbox.popleft())

    async def _first(self) -> None:
        await self._joining.first(self._deadline)
        self._keeper = asyncio.ensure_future(self._joining.keep())
        self._keeper.add_done_callback(self._kept_no_more)

    def _kept_no_more(self, keeper: asyncio.Task[None]) -> None:
        """It runs for ever: that it has failed is a mistake of ours, which must not look like a router that is away."""
        if not keeper.cancelled() and (error := keeper.exception()):
            logging.getLogger("ionman.call").error("the client gives up", exc_info=error)
            why = Unavailable(f"the client gave up ({error!r})", remedy="connect again, and report it")
            self._asking.end(why)
            self._tell_lost(why)

    async def _leave(self) -> None:
        why = Unavailable("the client was closed", remedy="what was in flight may have been done or not")
        if self._keeper:
            self._keeper.cancel()
        self._take()
        self._asking.end(why)
        self._keeping.end(why)
        await self._joining.leave(why)
        if self._keeper:
            await asyncio.wait([self._keeper])
        await asyncio.sleep(0)  # what was closed is told so in the loop's next turn

    def _changed(self) -> None:
        self._keeping.joined(self._joining.home)
        self._asking.changed()

    def _lost(self, session: Session, why: Unavailable) -> None:
        self._keeping.joined(self._joining.home)
        if session.router and not self._closed:
            self._tell_lost(why)

    def _tell_lost(self, why: IonmanError) -> None:
        for callback in list(self._lost_callbacks):
            self._keeping.later(callback, why)


def _seconds(deadline: float) -> float:
    if not 0 < deadline < math.inf:  # not a number is neither
        raise ConfigurationError(f"a deadline of {deadline} s leaves no time", remedy="give more than 0 seconds")
    return deadline
