"""What happens on one session between joined and ready: everything is offered, in an order in which no caller meets
what is not right.

contract -> verify (through the router, by our own `call`) -> procedures, topics, probe -> our own ping

A refusal that ends the start is told when every request has been answered, so that what was registered meanwhile is
known and can be withdrawn without losing a call. Everything else is asked again with back-off on the same session:
closing it would lose the calls that are in flight on it.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ionman.errors import IonmanError, WampError
from ionman.runtime import backoff, refusal, verify
from ionman.runtime.session import LOST, Answer, RouterSession
from ionman.settings import Router, Settings

PING_SECONDS = 10.0
log = Logger(namespace="ionman")


@dataclass(frozen=True)
class Offers:
    """What an instance offers on every router: URI -> answer; what it asks itself before; URIs of its ping and call."""

    procedures: Mapping[str, Answer]
    contract: Mapping[str, Answer]
    topics: Mapping[str, Answer]
    checks: Sequence[verify.Check]
    ping: str
    call: str


class Standing(Protocol):
    """Whose session it is."""

    router: Router
    settings: Settings
    clock: Any

    def going(self, session: RouterSession) -> bool:
        """Whether there is still reason to go on."""

    def trouble(self, why: str) -> None:
        """Something is in the way, and is tried again."""

    def forgiving(self) -> bool:
        """Whether this instance was ready here before, so that a refusal is worth another attempt."""

    def serving(self) -> bool:
        """Whether this instance is ready on another router."""


class Offering:
    """All that is offered on `session`. `offered` is what has to be withdrawn; `answers`: our own `call` is there."""

    def __init__(self, session: RouterSession, offers: Offers, standing: Standing) -> None:
        self.session = session
        self.offered: list[Any] = []
        self.answers = False
        self._offers = offers
        self._standing = standing
        self._refused: IonmanError | None = None
        self._stopped = False
        self._waiting: list[Deferred[Any]] = []

    async def run(self, *, verified: bool) -> bool:
        """Offer everything; whether all of it is there. Raises the `IonmanError` that ends the start."""
        offers, policy = self._offers, self._standing.settings.schedule
        await self._all([self._offer(uri, answer, "single") for uri, answer in offers.contract.items()])
        self.answers = self._going()
        if not verified:
            for check in offers.checks:
                await self._verify(check)
        procedures = [self._offer(uri, answer, policy) for uri, answer in offers.procedures.items()]
        await self._all([*procedures, *(self._follow(topic, take) for topic, take in offers.topics.items())])
        await self._again(self._ping, offers.ping, "its own ping")
        return self._going()

    def stop(self) -> None:
        """Begin nothing more; what has been asked of the router is still taken in."""
        self._stopped = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.cancel()

    # --- steps --------------------------------------------------------------------------------------------------

    def _going(self) -> bool:
        return not self._stopped and self._refused is None and self._standing.going(self.session)

    async def _all(self, work: Sequence[Coroutine[Any, Any, None]]) -> None:
        results = await DeferredList([Deferred.fromCoroutine(one) for one in work], consumeErrors=True)
        if self._refused is not None:
            raise self._refused
        failures: list[Any] = [failure for good, failure in results if not good]
        if failures:
            failures[0].raiseException()

    async def _offer(self, uri: str, answer: Answer, policy: str) -> None:
        async def register() -> None:
            self.offered.append(await self.session.offer(uri, answer, policy))

        await self._again(register, uri, uri)

    async def _follow(self, topic: str, take: Answer) -> None:
        async def subscribe() -> None:
            self.offered.append(await self.session.follow(topic, take))

        await self._again(subscribe, topic, topic)

    async def _ping(self) -> None:
        await self._unless_stopped(self.session.ask(self._offers.ping, PING_SECONDS, {}))

    async def _verify(self, check: verify.Check) -> None:
        async def ask() -> None:
            asked = {"uri": check.uri, "argv": check.argv}
            seconds = self._standing.settings.call_timeout + PING_SECONDS
            try:
                outcome: Any = await self._unless_stopped(self.session.ask(self._offers.call, seconds, asked))
            except WampError as error:
                if error.uri == LOST or error.uri in refusal.AUTHORISATION:
                    raise
                outcome = error
            wrong = verify.wrong(check, outcome)
            # What serves on another router is not ended for what may be a moment's weakness; it gets no caller here.
            if wrong is not None and self._standing.serving():
                raise WampError("ionman.error.verify", wrong.message)
            if wrong is not None:
                raise wrong

        await self._again(ask, self._offers.call, f"verify of {check.uri}")

    # --- again and again ----------------------------------------------------------------------------------------

    async def _again(self, work: Callable[[], Coroutine[Any, Any, None]], uri: str, what: str) -> None:
        """Do `work` until it succeeds, or something says to stop; raises what ends the start."""
        attempt = 0
        while self._going():
            try:
                await work()
            except WampError as error:
                if error.uri == LOST:
                    return
                self._judge(error, uri, what)
            except CancelledError:
                return
            else:
                return
            if self._going():
                await self._pause(backoff.delay(attempt))
                attempt += 1

    def _judge(self, error: WampError, uri: str, what: str) -> None:
        """Remember a refusal that ends the start; tell of anything else."""
        standing = self._standing
        text = error.message.removeprefix(f"{error.uri}: ")
        end = refusal.of_registration(error.uri, text, uri, standing.router, standing.settings)
        if end is not None and not standing.forgiving():
            self._refused = self._refused or end
        elif self._going() and error.uri == refusal.TAKEN:
            standing.trouble(f"{uri} is held by another session on {standing.router}")
        elif self._going():
            standing.trouble(f"router {standing.router} did not take {what}: {end.message if end else error.message}")

    async def _pause(self, seconds: float) -> None:
        try:
            await self._unless_stopped(deferLater(self._standing.clock, seconds))
        except CancelledError:
            return

    async def _unless_stopped(self, waiting: "Deferred[Any]") -> Any:
        """Await what `stop` may cancel: nothing of it is left at the router."""
        self._waiting.append(waiting)
        try:
            return await waiting
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
