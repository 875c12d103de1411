"""Registrations and subscriptions of a client: made again on every new session. On the loop's thread."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ionman.calls import message as wamp
from ionman.calls.message import Body
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
    number: int = 0  # the router's number for it, on the session that is home
    cancel: Callable[[], None] = lambda: None

    @property
    def registration(self) -> bool:
        """Rather than a subscription."""
        return self.body.kind == wamp.REGISTER


class Keeping:
    """All of them, and what runs when one is called. `refused` is told what a new session refuses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, refused: Callable[[IonmanError], None]) -> None:
        self._loop = loop
        self._refused = refused
        self._kept: list[Kept] = []
        self._home: Session | None = None
        self._called = ThreadPoolExecutor(8, "ionman-called")
        self._events = ThreadPoolExecutor(1, "ionman-events")  # one, so that they stay in order

    def add(self, kept: Kept) -> None:
        """Make it, now or on the next session."""
        self._kept.append(kept)
        self._make(kept)

    def drop(self, kept: Kept) -> None:
        """Take it back."""
        if kept not in self._kept:
            return
        self._kept.remove(kept)
        if self._home and kept.number:
            kind = wamp.UNREGISTER if kept.registration else wamp.UNSUBSCRIBE
            if kept.registration or not any(one.number == kept.number for one in self._subscribed()):
                self._home.ask(wamp.body(kind, kept.number), None)
        kept.number = 0

    def joined(self, session: Session | None) -> None:
        """Make all of them on the session that is home now."""
        if session is self._home:
            return
        self._home = session
        for kept in self._kept:
            kept.number = 0
        if session:
            session.heard = self._heard
            for kept in self._kept:
                self._make(kept)

    def later(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Run a callback, after those before it."""
        self._events.submit(_logged, run, *args, **kwargs)

    def end(self, why: IonmanError) -> None:
        """Fail what waits to be made; callbacks that run are left to end."""
        for kept in self._kept:
            kept.error = why
            if not kept.made.done():
                kept.made.set_exception(why)
        self._called.shutdown(wait=False, cancel_futures=True)
        self._events.shutdown(wait=False)

    # --- inside -------------------------------------------------------------------------------------------------

    def _subscribed(self) -> list[Kept]:
        return [one for one in self._kept if not one.registration]

    def _make(self, kept: Kept) -> None:
        if (session := self._home) and session.joined and kept in self._kept:
            session.ask(kept.body, lambda outcome: self._made(kept, session, outcome))

    def _made(self, kept: Kept, session: Session, outcome: list[Any] | IonmanError) -> None:
        if session is not self._home or not session.joined or kept not in self._kept:
            return
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
            self._loop.call_later(AGAIN, self._make, kept)

    def _heard(self, session: Session, message: list[Any]) -> None:
        if message[0] == wamp.EVENT:
            _, number, _, details, *rest = message
            for kept in self._subscribed():
                if kept.number == number:
                    self.later(kept.run, *(rest[0] if rest else ()), **_details(kept, details))
            return
        _, request, number, details, *rest = message
        for kept in self._kept:
            if kept.number == number and kept.registration:
                self._called.submit(self._call, session, request, kept, rest[0] if rest else (), details)

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
        self._loop.call_soon_threadsafe(lambda: session.tell(*reply))


def _details(kept: Kept, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"details": details} if kept.details else {}


def _logged(run: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    try:
        run(*args, **kwargs)
    except Exception:  # noqa: BLE001 - a callback's failure must not end the callbacks
        _LOG.warning("a callback failed", exc_info=True)
