"""Registrations and subscriptions of a client: made again on every new session. On the loop's thread."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ionman.calls import message as wamp
from ionman.calls.message import Body
from ionman.calls.rules import NO_SUCH_PROCEDURE
from ionman.calls.wamp import Session
from ionman.errors import InputError, IonmanError, WampError

AGAIN = 0.5  # s until what was refused on a new session is tried again: the router may still hold the session before
FAILED = "ionman.error.handler"  # a registered function raised something
_LOG = logging.getLogger("ionman.call")


@dataclass(eq=False)
class Kept:
    """One registration or subscription. `error` is why it is not in force now, None when it is."""

    uri: str
    run: Callable[..., Any]
    body: Body
    details: bool  # whether `run` gets the router's details, as the keyword `details`
    made: Future[None] = field(default_factory=Future)
    error: IonmanError | None = None
    dropped: bool = False  # it has been taken back
    number: int = 0  # the router's number for it, on the session that is home
    cancel: Callable[[], None] = lambda: None

    @property
    def registration(self) -> bool:
        """Rather than a subscription."""
        return self.body.kind == wamp.REGISTER


@dataclass(eq=False)
class Former:
    """What is in force on a session that was home, under the router's `number`, until it is made at home."""

    number: int
    kept: Kept
    needed: bool = True


class Keeping:
    """All of them, and what runs when one is called. `refused` is told what a new session refuses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, refused: Callable[[IonmanError], None]) -> None:
        self._loop = loop
        self._refused = refused
        self._kept: list[Kept] = []
        self._home: Session | None = None
        self._former: dict[Session, list[Former]] = {}  # of sessions that were home, and are about to be left
        self._ended = False
        self._called = ThreadPoolExecutor(8, "ionman-called")
        self._events = ThreadPoolExecutor(1, "ionman-events")  # one, so that they stay in order

    def add(self, kept: Kept) -> None:
        """Make it, now or on the next session."""
        self._kept.append(kept)
        self._make(kept)

    def drop(self, kept: Kept) -> None:
        """Take it back. What the router calls before it knows is still answered."""
        if kept.dropped or kept not in self._kept:
            return
        kept.dropped = True
        self._release(kept)
        session, number = self._home, kept.number
        shared = not kept.registration and sum(one.number == number for one in self._kept if not one.registration) > 1
        if session is None or not number or shared:
            self._kept.remove(kept)
            return
        kind = wamp.UNREGISTER if kept.registration else wamp.UNSUBSCRIBE
        session.ask(wamp.body(kind, number), lambda outcome: self._forget(kept, outcome))

    def joined(self, session: Session | None) -> None:
        """Make all of them on the session that is home now."""
        before = self._home
        if session is before:
            return
        self._home = session
        self._kept = [kept for kept in self._kept if not kept.dropped]
        self._former = {one: some for one, some in self._former.items() if one.joined}
        if before and before.joined:
            self._former[before] = [Former(kept.number, kept) for kept in self._kept if kept.number]
            before.busy += len(self._former[before])
        for kept in self._kept:
            kept.number = 0
        if session:
            session.heard = self._heard
            for kept in self._kept:
                self._make(kept)
        else:
            for kept in self._kept:  # nobody is there to take over
                self._release(kept)

    def later(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Run a callback, after those before it."""
        self._events.submit(_logged, run, *args, **kwargs)

    def end(self, why: IonmanError) -> None:
        """Fail what waits to be made; callbacks that run are left to end."""
        self._ended = True
        for kept in self._kept:
            kept.error = why
            if not kept.made.done():
                kept.made.set_exception(why)
        self._called.shutdown(wait=False, cancel_futures=True)
        self._events.shutdown(wait=False)

    # --- inside -------------------------------------------------------------------------------------------------

    def _forget(self, kept: Kept, outcome: object) -> None:
        del outcome  # refused or lost: it is gone either way
        if kept in self._kept:
            self._kept.remove(kept)

    def _make(self, kept: Kept) -> None:
        if (session := self._home) and session.joined and kept in self._kept and not kept.dropped:
            session.ask(kept.body, lambda outcome: self._made(kept, session, outcome))

    def _made(self, kept: Kept, session: Session, outcome: list[Any] | IonmanError) -> None:
        if session is not self._home or not session.joined or kept not in self._kept or kept.number:
            return
        self._release(kept)
        if not isinstance(outcome, IonmanError):
            kept.number, kept.error = outcome[2], None
            if not kept.made.done():
                kept.made.set_result(None)
        elif not kept.made.done():
            self._kept.remove(kept)
            kept.made.set_exception(outcome)
        else:
            if kept.error is None:
                self._refused(outcome)
            kept.error = outcome
            self._loop.call_later(AGAIN, self._once_more, kept, session)

    def _release(self, kept: Kept) -> None:
        """Sessions that were home are not needed for it any more."""
        for session, some in self._former.items():
            for former in some:
                if former.kept is kept and former.needed:
                    former.needed = False
                    session.busy -= 1
                    if kept.registration and session.joined:
                        session.ask(wamp.body(wamp.UNREGISTER, former.number), _ignore)

    def _once_more(self, kept: Kept, session: Session) -> None:
        if session is self._home:  # a new session makes all of them by itself
            self._make(kept)

    def _heard(self, session: Session, message: list[Any]) -> None:
        """An EVENT: [kind, subscription, event, details, args?], or an INVOCATION: [kind, request, registration, ..."""
        if self._ended:
            return
        called = message[0] == wamp.INVOCATION
        number = message[2 if called else 1]
        details, args = message[3], message[4] if len(message) > 4 else ()
        found = [kept for kept in self._on(session, number, called=called) if kept.registration is called]
        if not called:
            for kept in found:
                self.later(kept.run, *args, **_details(kept, details))
        elif found:
            session.busy += 1
            self._called.submit(self._call, session, message[1], found[0], args, details)
        else:
            session.tell(wamp.ERROR, wamp.INVOCATION, message[1], {}, NO_SUCH_PROCEDURE, ["it was taken back"])

    def _on(self, session: Session, number: int, *, called: bool) -> list[Kept]:
        """What the router of `session` knows by `number`; no events of a topic that is subscribed at home again."""
        if session is self._home:
            return [kept for kept in self._kept if kept.number == number]
        some = self._former.get(session, ())
        return [one.kept for one in some if one.number == number and (called or one.needed)]

    def _call(
        self, session: Session, request: int, kept: Kept, args: Sequence[Any], details: Mapping[str, Any]
    ) -> None:
        """Run the function, on a thread of its own, and answer."""
        try:
            answer = kept.run(*args, **_details(kept, details))
            reply: tuple[Any, ...] = (wamp.YIELD, request, {}, [answer])
            wamp.body(wamp.YIELD, {}, [answer])
        except WampError as error:
            text = error.message.removeprefix(f"{error.uri}: ")
            reply = (wamp.ERROR, wamp.INVOCATION, request, {}, error.uri, [text])
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told, and the log
            _LOG.warning("%s failed", kept.uri, exc_info=True)
            text = error.message if isinstance(error, InputError) else f"{kept.uri} failed: {type(error).__name__}"
            reply = (wamp.ERROR, wamp.INVOCATION, request, {}, FAILED, [text])
        with contextlib.suppress(RuntimeError):  # the client has been closed meanwhile
            self._loop.call_soon_threadsafe(_answer, session, reply)


def _answer(session: Session, reply: Sequence[Any]) -> None:
    session.busy -= 1
    session.tell(*reply)


def _ignore(outcome: object) -> None:
    """Refused or lost: it is gone either way."""


def _details(kept: Kept, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"details": details} if kept.details else {}


def _logged(run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        run(*args, **kwargs)
    except Exception:  # noqa: BLE001 - a callback's failure must not end the callbacks
        _LOG.warning("a callback failed", exc_info=True)
