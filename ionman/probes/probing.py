"""Calls numbered requests in an open loop and in closed loops, and writes down what became of each.

Open loop: call `k` is due `k / rate` seconds after the first, whether or not the ones before were answered, and its
latency counts from that moment. So a service that stands still for a second shows as many slow calls as there would
have been callers waiting. Gil Tene calls the other way, which waits for an answer before it counts on, coordinated
omission.
"""

import gc
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ionman import naming, probe
from ionman.calls.client import Client
from ionman.calls.wamp import Session
from ionman.errors import IonmanError
from ionman.probes.callees import Callees
from ionman.probes.history import NUMBER, Header, Reply
from ionman.probes.record import Record

CALLERS_A_SESSION = 5  # of those in a closed loop: some share a session, as the users of one web server do
REST = 0.1  # s before a caller in a closed loop calls again after an error
GRACE = 2.0  # s that a client has beyond a call's deadline to say that it has passed
RECENT = 20_000
OPEN = 0  # the open loop's number among the callers


class Probing:
    """A context manager: calls from its beginning to its end; afterwards `verdict()` says what the history shows.

    `connect` makes a client (`ionman.connect`) of an account that may call the service's `probe`, and for the number of
    callees the meta API (role ops). `service` names the service, or `uri` another procedure with its `argv` and the
    `answer` that it should give; `ionman.probes.history.NUMBER` in them stands for the number of the call.
    `rate` is calls a second in the open loop, `callers` how many call in a closed loop beside it; `deadline` is that of
    each call, in seconds.
    """

    def __init__(  # noqa: PLR0913 - who calls what how often
        self,
        connect: Callable[[], Client],
        service: str,
        rate: float,
        history: Path,
        *,
        callers: int = 0,
        uri: str = "",
        argv: Any = None,
        answer: Any = None,
        idempotent: bool = False,
        deadline: float = 10.0,
    ) -> None:
        self.uri = uri or naming.probe(service)
        self.history = history
        self.recent: deque[float] = deque(maxlen=RECENT)  # ms of the latest answers; whoever shows them empties it
        self._connect = connect
        self._argv = {"n": NUMBER} if argv is None else argv
        self._answer = {"status": "OK", "n": NUMBER} if answer is None else answer
        self._rate, self._callers = rate, callers
        self._deadline, self._idempotent = deadline, idempotent
        self._clients: list[Client] = []
        self._closing = ExitStack()
        self._due: list[tuple[float, int]] = []
        self._change = threading.Condition()
        self._ending = False
        self._in_flight = 0
        self._pacer = threading.Thread(target=self._pace, daemon=True)

    def __enter__(self) -> Self:
        """Connect, and begin to call."""
        with ExitStack() as unless_all:
            sessions = 1 + -(-self._callers // CALLERS_A_SESSION)
            self._clients = [unless_all.enter_context(self._connect()) for _ in range(sessions)]
            self.record = Record(self.history)
            self._strayed = Session.strays
            gc.collect()
            gc.freeze()  # looking through all that was imported, again and again, would be pauses in the sending
            unless_all.callback(gc.unfreeze)
            self.record.begin(Header(self.uri, self._rate, self._callers, answer=self._answer))
            unless_all.callback(lambda: self.record.end(self._strays()))
            unless_all.enter_context(Callees(self._clients[0], self.uri, self.record.callees))
            self._closing = unless_all.pop_all()
        self._first = time.monotonic()
        self._due = [(self._first, caller) for caller in range(0 if self._rate else 1, self._callers + 1)]
        self._pacer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Call no more, wait for the calls that are on their way, and close the history."""
        with self._change:
            if self._ending:
                return
            self._ending = True
            self._change.notify_all()
            self._change.wait_for(lambda: not self._in_flight, self._deadline + GRACE)
        self._pacer.join()
        self._closing.close()

    def mark(self, name: str, status: int = 0) -> None:
        """Begin another part of the history: `rolling`, `rollback`, `after` (with the exit status of what was done)."""
        self.record.mark(name, status)

    def verdict(self, limits: "probe.Limits | None" = None) -> "probe.Verdict":
        """Read the history; ends the probe if it still calls."""
        self.__exit__()
        with self.history.open(encoding="utf-8") as text:
            return probe.check(text, limits)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Mark what is done inside as rolling."""
        self.mark("rolling")
        status = 1
        try:
            yield
            status = 0
        finally:
            self.mark("after", status)

    # --- calling ------------------------------------------------------------------------------------------------

    def _pace(self) -> None:
        """The pacer's thread: sends what is due when it is due."""
        calls = 0
        while True:
            with self._change:
                while not self._ending and (not self._due or self._due[0][0] > time.monotonic()):
                    self._change.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._ending:
                    return
                due, caller = heapq.heappop(self._due)
                if caller == OPEN:
                    calls += 1
                    heapq.heappush(self._due, (self._first + calls / self._rate, OPEN))
            self._send(due if caller == OPEN else time.monotonic(), caller)

    def _send(self, due: float, caller: int) -> None:
        with self._change:
            if self._ending:
                return
            self._in_flight += 1
        call = _Call(self.record.number(), caller, due, (time.monotonic() - due) * 1000)
        client = self._clients[0 if caller == OPEN else 1 + (caller - 1) // CALLERS_A_SESSION]
        argv = probe.expected(self._argv, call.number)
        answer: Future[Any]
        try:
            answer = client.submit(self.uri, argv, deadline=self._deadline, idempotent=self._idempotent)
        except IonmanError as error:
            answer = Future()
            answer.set_exception(error)
        answer.add_done_callback(lambda future: self._done(call, future))

    def _done(self, call: "_Call", future: "Future[Any]") -> None:
        """On the client's thread: write down what became of the call; a caller in a closed loop makes its next."""
        now = time.monotonic()
        reply = _reply(call, self.record.at(call.due), now, future)
        self.record.reply(reply)
        if reply.took is not None:
            self.recent.append(reply.took)
        if call.caller != OPEN and reply.answers:
            self._send(now, call.caller)
        with self._change:
            self._in_flight -= 1
            if call.caller != OPEN and not reply.answers:
                heapq.heappush(self._due, (now + REST, call.caller))
                self._change.notify_all()
            elif self._ending and not self._in_flight:
                self._change.notify_all()

    def _strays(self) -> int:
        return Session.strays - self._strayed


@dataclass(frozen=True, slots=True)
class _Call:
    number: int
    caller: int
    due: float  # time.monotonic
    late: float  # ms


def _reply(call: _Call, sent: float, now: float, future: "Future[Any]") -> Reply:
    sent, late, tries = round(sent, 4), round(call.late, 3), getattr(future, "tries", 1)
    if error := future.exception():
        return Reply(call.number, sent, tries=tries, error=_said(error), late=late, caller=call.caller)
    took = round((now - call.due) * 1000, 3)
    return Reply(call.number, sent, took, 1, tries, future.result(), late=late, caller=call.caller)


def _said(error: BaseException) -> str:
    """The error's own words, after its URI or its kind."""
    text = getattr(error, "message", "") or str(error)
    uri = getattr(error, "uri", "")
    return text if uri and text.startswith(uri) else f"{uri or type(error).__name__}: {text}"
