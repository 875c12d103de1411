"""From what arrived to what is answered: the one way through which every call and event goes, with or without a router.

argv checked -> method run (plain, async or Deferred; deadline) -> result checked -> counted -> answered
"""

import secrets
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ionman.errors import WampError
from ionman.runtime import values
from ionman.runtime.alarm import Ending, Overdue, deadline, left
from ionman.runtime.classes import Details
from ionman.runtime.modules import Bound
from ionman.runtime.stats import Stats

INVALID_ARGUMENT = "wamp.error.invalid_argument"
HANDLER = "ionman.error.handler"
RESULT = "ionman.error.result"
TIMEOUT = "ionman.error.timeout"
DRAINED = "ionman.error.drained"
CANCELED = "wamp.error.canceled"
ENDED = "the instance stops and the time to finish has passed"
UNKNOWN = "ionman.error.users_unavailable"
NO_SUCH = "wamp.error.no_such_procedure"


class Answered(WampError):  # noqa: N818 - it says what it is
    """An error that this module answers with; any other that a method raises is the method's own failure."""


def argument(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return the one JSON value that a call or event carries, {} for none; raises `WampError` for anything else."""
    if kwargs:
        raise Answered(INVALID_ARGUMENT, f"keyword arguments ({', '.join(sorted(kwargs))}) were sent; send one object")
    if len(args) > 1:
        raise Answered(INVALID_ARGUMENT, f"{len(args)} arguments were sent; send one JSON value")
    value = args[0] if args else {}
    if wrong := values.problem(value, "argument", values.ANY):
        raise Answered(INVALID_ARGUMENT, f"{wrong}; send JSON")
    return value


def steps(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
    """Run a coroutine with a deadline for each of its steps, so that one which never awaits again is ended too."""
    advance: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            with deadline(seconds):
                awaited = advance(sent)
        except StopIteration as end:
            return end.value
        try:
            sent, advance = (yield awaited), coroutine.send
        except Exception as error:  # noqa: BLE001 - whatever was awaited and failed belongs to the method
            sent, advance = error, coroutine.throw
        except GeneratorExit:
            coroutine.close()
            raise


def run(method: Callable[..., Any], seconds: float, *arguments: Any) -> "Deferred[Any]":
    """Call a plain, async or Deferred-returning method; `seconds` is the deadline of each stretch without a pause."""

    def first() -> Any:
        with deadline(seconds):
            result = method(*arguments)
        if isinstance(result, Coroutine):
            return Deferred.fromCoroutine(steps(result, seconds))
        return result

    return maybeDeferred(first)


@dataclass
class Dispatch:
    """The way through for one instance: its numbers, its deadline (s), its clock, and the most octets of a message."""

    stats: Stats
    call_timeout: float
    clock: Any
    log: Logger
    most: int = values.MESSAGE_BYTES

    def __post_init__(self) -> None:
        self._running: set[Deferred[Any]] = set()
        self._idle: list[Deferred[None]] = []
        self._why_cancelled = (CANCELED, "the call was cancelled")
        self._given_up = False

    def call(
        self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any], details: Details
    ) -> "Deferred[dict[str, Any]]":
        """Answer one call; fails with `WampError` only."""
        if self._given_up or not left(1.0):
            return fail(Answered(DRAINED, ENDED))
        started = time.monotonic()
        answer = self._work(bound, args, kwargs, details)
        answer.addCallback(self._checked, bound)

        def done(result: Any) -> Any:
            error = str(result.value) if isinstance(result, Failure) else ""
            seconds = time.monotonic() - started
            self.stats.add(bound.uri, seconds, error)
            # No argument and no result: they may hold what nobody else is to read.
            self.log.debug(
                "{uri} called by {who}: {outcome} after {ms:.1f} ms",
                uri=bound.uri, who=details.caller_authid, outcome=error or "answered", ms=seconds * 1000,
            )  # fmt: skip
            return result

        return answer.addBoth(done)

    def event(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[None]":
        """Hand one event over; what goes wrong is a log line, as nobody waits for an answer."""
        handed = self._work(bound, args, kwargs, details)
        return handed.addCallbacks(lambda _: None, lambda failure: self._lost_event(failure, bound))

    def idle(self) -> "Deferred[None]":
        """Return a Deferred that fires when nothing is in flight."""
        waiting: Deferred[None] = Deferred()
        if self._running:
            self._idle.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def give_up(self, why: str) -> int:
        """Cancel all that is in flight, each answered with `ionman.error.drained` and `why`; returns how many."""
        self._why_cancelled = (DRAINED, why)
        self._given_up = True  # what a slow router still sends is answered at once
        running = list(self._running)
        for answer in running:
            answer.cancel()
        return len(running)

    def _work(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
        """Run the method. The outer Deferred always ends in time, whatever the inner one does when it is cancelled."""

        def cancel(cancelled: "Deferred[Any]") -> None:
            # The answer first: what the method makes of being cancelled is no answer any more.
            cancelled.errback(CancelledError())
            inner.cancel()

        answer: Deferred[Any] = Deferred(cancel)
        inner: Deferred[Any] = maybeDeferred(argument, args, kwargs)
        self._running.add(answer)
        self.stats.in_flight = len(self._running)

        def overdue() -> None:
            answer.errback(Failure(self._timeout(bound)))
            inner.cancel()

        if details.progress is not None:
            details = replace(details, progress=self._reporting(answer, bound, details.progress))
        timer = self.clock.callLater(self.call_timeout, overdue)
        answer.addErrback(self._translated, bound)
        answer.addBoth(self._ended, answer, timer)
        inner.addCallback(_with_person, details)
        inner.addCallback(lambda known: run(bound.method, self.call_timeout, *known))
        inner.addBoth(lambda result: None if answer.called else answer.callback(result))
        return answer

    def _reporting(self, answer: "Deferred[Any]", bound: Bound, send: Callable[[Any], None]) -> Callable[[Any], None]:
        """What a method gets as `details.progress`: nothing goes out for a call that has been answered or cancelled."""

        def report(value: Any) -> None:
            if answer.called:
                raise Answered(CANCELED, f"{bound.uri}: this call is over, nobody waits for its progress")
            if wrong := values.problem(value, "progress", self.most):
                raise Answered(RESULT, f"{bound.uri}: {wrong}")
            send(value)

        return report

    def _timeout(self, bound: Bound) -> Answered:
        return Answered(TIMEOUT, f"{bound.uri} did not answer within {self.call_timeout:g} s")

    def _ended(self, result: Any, answer: "Deferred[Any]", timer: Any) -> Any:
        if timer.active():
            timer.cancel()
        self._running.discard(answer)
        self.stats.in_flight = len(self._running)
        if not self._running:
            waiting, self._idle = self._idle, []
            for one in waiting:
                # After this answer has been sent, not before.
                self.clock.callLater(0, one.callback, None)
        return result

    def _translated(self, failure: Failure, bound: Bound) -> Any:
        """Every failure becomes a `WampError`; what the author has to see is logged, with a reference."""
        error = failure.value
        if isinstance(error, Ending):
            self.log.warn("{place}: broken off: the time to finish has passed", place=bound.place)
            raise Answered(DRAINED, ENDED)
        if isinstance(error, Overdue):
            error = self._timeout(bound)
        if isinstance(error, CancelledError):
            raise Answered(*self._why_cancelled)
        if isinstance(error, Answered):
            if error.uri == TIMEOUT:
                self.log.error("{place}: {error}", place=bound.place, error=error)
            raise error
        reference = secrets.token_hex(4)
        self.log.failure(
            "{place}: {uri} raised (reference {reference})", failure, place=bound.place, uri=bound.uri,
            reference=reference,
        )  # fmt: skip
        raise Answered(HANDLER, f"{bound.uri} failed; the service's log has it under reference {reference}")

    def _checked(self, result: Any, bound: Bound) -> Any:
        if wrong := values.problem(result, "result", self.most):
            self.log.error("{place}: {uri}: {wrong}", place=bound.place, uri=bound.uri, wrong=wrong)
            raise Answered(RESULT, f"{bound.uri}: {wrong}")
        return result

    def _lost_event(self, failure: Failure, bound: Bound) -> None:
        self.log.error("{place}: an event was not handled: {error}", place=bound.place, error=failure.value)


def _with_person(argv: Any, details: Details) -> "Deferred[tuple[Any, Details]]":
    """What the method gets: who called is known now, if the router had to be asked."""
    if not callable(details.person):
        return succeed((argv, details))
    found: Deferred[Any] = details.person().addErrback(_unknown)
    return found.addCallback(lambda person: (argv, replace(details, person=person)))


def _unknown(failure: Failure) -> Any:
    """Without an answer the method would take the caller for another one."""
    failure.trap(WampError)
    raise Answered(UNKNOWN, f"who calls could not be found out: {failure.value}") from failure.value
