"""Calls and publications on their way: sent, answered, late, sent again by the rules. On the loop's thread."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ionman.calls import rules
from ionman.calls.joining import Joining
from ionman.calls.message import CALL, Body, value
from ionman.calls.reach import Router
from ionman.calls.wamp import Lost, Session
from ionman.errors import IonmanError, Late, Unavailable


class Reply(Future[Any]):
    """The answer that is to come. What is told of `tries` and `router` is final when it is there.

    Done-callbacks run on the client's own thread: they must be short, and must not wait for another call.
    """

    def __init__(self, uri: str) -> None:
        super().__init__()
        self.uri = uri
        self.tries = 0  # how often it was sent
        self.router = ""  # where it was sent last
        self.set_running_or_notify_cancel()  # nobody can take back what may run already


@dataclass(slots=True, eq=False)
class Question:
    """A request, from when it is asked to its answer."""

    reply: Reply
    body: Body
    ends: float  # time.monotonic, which is the loop's clock
    idempotent: bool = False
    answered: bool = True  # else it is done when it is sent
    then: Callable[[list[Any] | IonmanError], None] | None = None  # while it is with a session
    session: Session | None = None
    without: set[Router] = field(default_factory=set)  # these know no such procedure
    since: float = 0.0  # when the first of them said so
    error: IonmanError | None = None  # what went wrong last
    timer: asyncio.TimerHandle | None = None


class Asking:
    """All questions that are open."""

    def __init__(self, joining: Joining, loop: asyncio.AbstractEventLoop) -> None:
        self._joining = joining
        self._loop = loop
        self._open: set[Question] = set()
        self._ended: Unavailable | None = None
        self._waiting: dict[Question, None] = {}  # in order: they are sent when a router is joined

    def start(self, question: Question) -> None:
        """Send it, or have it wait for a router."""
        if self._ended:
            question.reply.set_exception(Unavailable(self._ended.message, remedy=self._ended.remedy))
            return
        self._open.add(question)
        question.timer = self._loop.call_at(question.ends, self._late, question)
        self._send(question)

    def changed(self) -> None:
        """Send what waits: there may be a router for it now."""
        waiting, self._waiting = self._waiting, {}
        for question in waiting:
            self._send(question)

    def end(self, why: Unavailable) -> None:
        """Answer all that is open with `why`, and all that is asked from now on."""
        self._ended = why
        for question in list(self._open):
            self._done(question, error=Unavailable(why.message, remedy=why.remedy))  # each has a traceback of its own

    # --- inside -------------------------------------------------------------------------------------------------

    def _send(self, question: Question) -> None:
        if question.reply.done():
            return
        session = self._joining.session(question.without)
        if session is None:
            self._wait(question)
            return
        question.session = session
        question.reply.tries += 1
        question.reply.router = str(session.router)
        if not question.answered:
            session.ask(question.body, None)
            self._done(question)
            return
        question.then = functools.partial(self._outcome, question, session)
        session.ask(question.body, question.then)

    def _wait(self, question: Question) -> None:
        """Have it sent when there is a router for it, or tell that none of them knows the procedure."""
        if not question.error or not question.without or self._joining.seek(question.without):
            self._waiting[question] = None
            return
        missing = self._loop.time() - question.since
        if rules.again(question.error, idempotent=question.idempotent, missing=missing):
            question.without.clear()
            self._loop.call_later(rules.pause(question.reply.tries), self._send, question)
        else:
            self._done(question, error=question.error)

    def _outcome(self, question: Question, session: Session, outcome: list[Any] | IonmanError) -> None:
        if question.reply.done():
            return
        question.session = question.then = None
        if not isinstance(outcome, IonmanError):
            self._done(question, result=value(outcome[3:]) if question.body.kind == CALL else None)
            return
        question.error = outcome
        if rules.is_missing(outcome):
            question.without.add(session.router)
            question.since = question.since or self._loop.time()
            self._send(question)
            return
        unsent = isinstance(outcome, Lost) and not outcome.written
        question.reply.tries -= unsent
        if not rules.again(outcome, idempotent=question.idempotent, unsent=unsent):
            self._done(question, error=outcome)
        elif isinstance(outcome, Lost):
            self._send(question)
        else:
            self._loop.call_later(rules.pause(question.reply.tries), self._send, question)

    def _late(self, question: Question) -> None:
        if question.reply.done():
            return
        if question.session and question.then:
            question.session.forget(question.then)
            remedy = "give it more time (--deadline), and look at the service's log"
            said = f"the call of {question.reply.uri} got no answer from {question.reply.router} before the deadline"
            self._done(question, error=Late(said, remedy=remedy))
        elif question.error:
            self._done(question, error=question.error)
        else:
            trouble = self._joining.trouble
            said = f"{question.reply.uri} was not asked, for no router was joined before the deadline"
            self._done(question, error=Unavailable(f"{said}: {trouble.message}", remedy=trouble.remedy))

    def _done(self, question: Question, *, result: Any = None, error: IonmanError | None = None) -> None:
        self._open.discard(question)
        self._waiting.pop(question, None)
        if question.timer:
            question.timer.cancel()
        if error is None:
            question.reply.set_result(result)
        else:
            question.reply.set_exception(error)
