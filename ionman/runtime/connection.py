"""The life of an instance on one router: connect, log in, offer everything, be ready; come back when lost; drain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from ionman.errors import IonmanError
from ionman.runtime import backoff, leaving, refusal, transport
from ionman.runtime.lifecycle import Event, State, after
from ionman.runtime.offering import Offering, Offers
from ionman.runtime.reach import cause
from ionman.runtime.session import RouterSession
from ionman.settings import Router, Settings

LEAVE_SECONDS = 2.0
CLOSE_SECONDS = 1.0
log = Logger(namespace="ionman")


@dataclass(frozen=True)
class Hooks:
    """The reactor, what is called when `state` or `error` changed and with the error that ends the start, and
    whether the instance is ready on another router than a connection's."""

    clock: Any
    changed: Callable[[], None]
    fatal: Callable[[IonmanError], None]
    elsewhere: "Callable[[Connection], bool]"


class Connection:
    """One router, and how this instance stands there: `state`, `error` and `session`."""

    def __init__(self, router: Router, settings: Settings, offers: Offers, hooks: Hooks) -> None:
        self.router = router
        self.settings = settings
        self.state = State.CONNECTING
        self.error = ""
        self.session: RouterSession | None = None
        self._offers = offers
        self.clock = hooks.clock
        self._elsewhere = hooks.elsewhere
        self._changed = hooks.changed
        self._fatal = hooks.fatal
        self._failures = 0
        self._back = 0.0  # when, by the clock, a router is tried again that said that it goes away
        self._was_ready = False
        self._ended = False
        self.offering: Offering | None = None
        self._work: Deferred[Any] | None = None
        self._closed: Deferred[None] | None = None
        self._endpoint = transport.endpoint(router, settings, hooks.clock, self._unreachable)
        self._service = ClientService(
            self._endpoint,
            transport.factory(router, settings, lambda: RouterSession(self, hooks.clock), self._lost),
            self._delay,
            hooks.clock,
        )

    def start(self) -> None:
        """Begin to connect, and never give up until `drain`."""
        self._service.startService()

    # --- connecting ---------------------------------------------------------------------------------------------

    def _delay(self, attempt: int) -> float:
        del attempt  # Twisted starts again at 0 with each TCP connection; what counts is being ready
        self._failures += 1
        return max(backoff.delay(self._failures - 1), self._back - self.clock.seconds())

    def _unreachable(self, failure: Failure) -> None:
        self._down(f"router {self.router} cannot be reached: {cause(failure)}")

    def _lost(self, failure: Failure, reason: str) -> None:
        """The connection ended, however far it had come."""
        if self.state in (State.DRAINING, State.GONE):
            self._service.stopService()
        else:
            self._down(self.error or f"router {self.router}: {cause(failure, reason, self._endpoint.refused)}")
        if self._closed is not None:
            closed, self._closed = self._closed, None
            closed.callback(None)

    def _down(self, why: str) -> None:
        self.session = None
        if not self._ended and (why != self.error or self.state is not State.CONNECTING):
            log.warn("{why}; trying again until it answers", why=why)
        self._move(Event.LOST, why)

    def _move(self, event: Event, error: str = "") -> None:
        self.state = after(self.state, event)
        self.error = error
        self._changed()

    # --- the session's owner ------------------------------------------------------------------------------------

    def joined(self, session: RouterSession) -> None:
        """Offer everything, in the order of `ionman.runtime.offering`."""
        self.session = session
        self._move(Event.JOINED)
        if self.state is State.REGISTERING:
            self.offering = Offering(session, self._offers, self)
            leaving.listen(session, self._leaving)
            self._work = Deferred.fromCoroutine(self._offer_all(self.offering))
            self._work.addErrback(self._offering_failed)

    def left(self, session: RouterSession, reason: str, message: str) -> None:
        """A refusal ends the start; anything else is a connection lost, which is told when the connection is."""
        if session is self.session:
            self.session = None
        if self.state is State.DRAINING:
            return
        error = refusal.of_login(reason, message, self.router, self.settings)
        if error is not None and self.state is State.CONNECTING:
            self._refused(error)
        elif reason not in ("wamp.close.transport_lost", "wamp.close.normal", ""):
            self._down(f"router {self.router} closed the session: {reason} {message}".strip())

    def _refused(self, error: IonmanError) -> None:
        """End a start that cannot succeed; an instance that was ready stays, for it may serve on other routers."""
        if self._was_ready:
            self._down(str(error).replace("\n", "; "))
        else:
            self._ended = True
            self._fatal(error)

    async def _offer_all(self, offering: Offering) -> None:
        complete = await offering.run(verified=self._was_ready)
        if complete:
            self._failures, self._was_ready = 0, True
            log.info("ready on router {router}", router=self.router)
            self._move(Event.REGISTERED)

    def _offering_failed(self, failure: Failure) -> None:
        """The start cannot succeed: the process ends, which withdraws what has been offered and finishes its calls."""
        if not isinstance(failure.value, IonmanError):
            failure.raiseException()
        elif self.state is State.REGISTERING:
            self._refused(failure.value)

    def _leaving(self, away: float) -> None:
        """The router is about to go, and to be left alone for `away` seconds: as if it were lost, but in peace."""
        self._back = self.clock.seconds() + away
        if self.offering is None or self._work is None or self.state not in (State.REGISTERING, State.READY):
            return
        log.info("router {router} is about to go away; leaving it for {away:.0f} s", router=self.router, away=away)
        self._move(Event.LOST, f"router {self.router} is about to go away")
        limit = max(LEAVE_SECONDS, self.settings.drain_timeout / 2)
        departed = Deferred.fromCoroutine(leaving.depart(self.offering, self._work, self.clock, limit))
        departed.addErrback(lambda failure: log.failure("leaving", failure))

    # --- what an offering asks ----------------------------------------------------------------------------------

    def going(self, session: RouterSession) -> bool:
        """Whether `session` is still the one, and to be offered on."""
        return self.state is State.REGISTERING and session is self.session

    def trouble(self, why: str) -> None:
        """Tell, once, what is in the way of being ready."""
        if why != self.error:
            log.warn("{why}; trying again", why=why)
            self.error = why
            self._changed()

    def forgiving(self) -> bool:
        """Whether a refusal is worth another attempt: this instance was ready here, and may be again."""
        return self._was_ready

    def serving(self) -> bool:
        """Whether this instance is ready on another router."""
        return self._elsewhere(self)

    # --- draining -----------------------------------------------------------------------------------------------

    async def withdraw(self) -> None:
        """Un-register and unsubscribe everything, so that the router sends nothing new; never fails, never hangs."""
        self._move(Event.DRAIN)
        if self.session is None:
            self._service.stopService()
            return
        if self.offering is None or self._work is None:
            return
        self.offering.stop()
        await DeferredList([self._within(self._work)], consumeErrors=True)
        if self.session is self.offering.session:
            waiting = [self._within(self.session.withdraw(offered)) for offered in self.offering.offered]
            await DeferredList(waiting, consumeErrors=True)

    async def leave(self) -> None:
        """Leave the realm, close the connection, be gone."""
        if self.session is not None:
            self._closed = Deferred()
            closed = self._closed
            self.session.leave()
            await DeferredList([closed.addTimeout(LEAVE_SECONDS, self.clock)], consumeErrors=True)
            self._closed = None
        stopped: Deferred[Any] = self._service.stopService()
        await DeferredList([stopped.addTimeout(CLOSE_SECONDS, self.clock)], consumeErrors=True)
        self._move(Event.LEFT)

    def _within(self, work: "Deferred[Any]") -> "Deferred[Any]":
        """A router that is slow gets half of the time to drain, for a call that it still sends would be lost."""
        return work.addTimeout(max(LEAVE_SECONDS, self.settings.drain_timeout / 2), self.clock)
