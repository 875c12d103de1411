"""The life of an instance on one router: connect, log in, offer everything, be ready; come back when lost; drain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred, DeferredList, FirstError, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ionman.errors import IonmanError, WampError
from ionman.runtime import backoff, refusal, transport
from ionman.runtime.lifecycle import Event, State, after
from ionman.runtime.reach import cause
from ionman.runtime.session import Answer, RouterSession
from ionman.settings import Router, Settings

PING_SECONDS = 10.0
WITHDRAW_SECONDS = 5.0
LEAVE_SECONDS = 2.0
log = Logger(namespace="ionman")


@dataclass(frozen=True)
class Offers:
    """What an instance offers on every router: URI -> answer; and the URI of its own ping."""

    procedures: Mapping[str, Answer]
    contract: Mapping[str, Answer]
    topics: Mapping[str, Answer]
    ping: str


@dataclass(frozen=True)
class Hooks:
    """The reactor, what is called when `state` or `error` changed, and with the error that ends the start."""

    clock: Any
    changed: Callable[[], None]
    fatal: Callable[[IonmanError], None]


class Connection:
    """One router, and how this instance stands there: `state`, `error` and `session`."""

    def __init__(self, router: Router, settings: Settings, offers: Offers, hooks: Hooks) -> None:
        self.router = router
        self.settings = settings
        self.state = State.CONNECTING
        self.error = ""
        self.session: RouterSession | None = None
        self._offers = offers
        self._clock = hooks.clock
        self._changed = hooks.changed
        self._fatal = hooks.fatal
        self._failures = 0
        self._was_ready = False
        self._ended = False
        self._offered: list[Any] = []
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
        return backoff.delay(self._failures - 1)

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
        """Offer everything, then ask for our own ping through the router."""
        self.session = session
        self._offered = []
        self._move(Event.JOINED)
        if self.state is State.REGISTERING:
            self._work = Deferred.fromCoroutine(self._offer_all(session))
            self._work.addErrback(self._offering_failed, session)

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

    async def _offer_all(self, session: RouterSession) -> None:
        offers = self._offers
        work = [self._offer(session, uri, answer, "single") for uri, answer in offers.contract.items()]
        work += [self._offer(session, uri, answer, self.settings.schedule) for uri, answer in offers.procedures.items()]
        work += [self._follow(session, topic, take) for topic, take in offers.topics.items()]
        await gatherResults([Deferred.fromCoroutine(one) for one in work], consumeErrors=True)
        if self.state is not State.REGISTERING or session is not self.session:
            return
        await session.ask(offers.ping, {}, PING_SECONDS)
        if self.state is State.REGISTERING and session is self.session:
            self._failures, self._was_ready = 0, True
            log.info("ready on router {router}", router=self.router)
            self._move(Event.REGISTERED)

    async def _offer(self, session: RouterSession, uri: str, answer: Answer, policy: str) -> None:
        """Register one procedure. While another session holds it, which may be ours that the router has not yet
        missed, or a `single` one, ask again."""
        for attempt in range(1 << 30):
            try:
                self._offered.append(await session.offer(uri, answer, policy))
            except WampError as error:
                if error.uri != refusal.TAKEN:
                    self._judge(error, uri)
                    raise
                if attempt == 0:
                    log.warn("{uri} is held by another session on {router}; waiting", uri=uri, router=self.router)
                self.error = f"{uri} is held by another session"
                await deferLater(self._clock, backoff.delay(attempt))
                if self.state is not State.REGISTERING or session is not self.session:
                    return
            else:
                return

    async def _follow(self, session: RouterSession, topic: str, take: Answer) -> None:
        try:
            self._offered.append(await session.follow(topic, take))
        except WampError as error:
            self._judge(error, topic)
            raise

    def _judge(self, error: WampError, uri: str) -> None:
        text = error.message.removeprefix(f"{error.uri}: ")
        end = refusal.of_registration(error.uri, text, uri, self.router, self.settings)
        if end is not None and self.state is State.REGISTERING:
            self._refused(end)

    def _offering_failed(self, failure: Failure, session: RouterSession) -> None:
        first = failure.value.subFailure if isinstance(failure.value, FirstError) else failure
        first.trap(WampError)
        if self.state is State.REGISTERING and session is self.session:
            self._down(f"router {self.router} did not take what this service offers: {first.value}")
        if self.state is State.CONNECTING:
            session.drop()

    # --- draining -----------------------------------------------------------------------------------------------

    async def withdraw(self) -> None:
        """Un-register and unsubscribe everything, so that the router sends nothing new; never fails, never hangs."""
        self._move(Event.DRAIN)
        if self.session is None:
            self._service.stopService()
            return
        if self._work is not None:
            await DeferredList([self._within(self._work)], consumeErrors=True)
        if self.session is not None:
            waiting = [self._within(self.session.withdraw(offered)) for offered in self._offered]
            await DeferredList(waiting, consumeErrors=True)

    async def leave(self) -> None:
        """Leave the realm, close the connection, be gone."""
        if self.session is not None:
            self._closed = Deferred()
            closed = self._closed
            self.session.leave()
            await DeferredList([closed.addTimeout(LEAVE_SECONDS, self._clock)], consumeErrors=True)
            self._closed = None
        stopped: Deferred[Any] = self._service.stopService()
        await DeferredList([stopped.addTimeout(LEAVE_SECONDS, self._clock)], consumeErrors=True)
        self._move(Event.LEFT)

    def _within(self, work: "Deferred[Any]") -> "Deferred[Any]":
        return work.addTimeout(WITHDRAW_SECONDS, self._clock)
