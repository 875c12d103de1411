"""The instance's side of its control socket (`ionman.control` is the other): says how it is, and answers a question."""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

# Who asks nothing is let go then: one with an older `ionman.control` reads until the end.
LINGER_SECONDS = 0.5

Questions = Mapping[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]]


class _Visitor(LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 64
    factory: "Door"

    def connectionMade(self) -> None:  # noqa: N802
        self._line(self.factory.document())
        self._linger = self.factory.clock.callLater(LINGER_SECONDS, self._close)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        question = self.factory.questions.get(line.decode("ascii", "replace"))
        if question is None or not self._linger.active():
            self._close()
            return
        self._linger.cancel()
        answer = Deferred.fromCoroutine(question())
        answer.addCallback(self._line)
        answer.addBoth(self._answered)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        del reason
        if self._linger.active():
            self._linger.cancel()

    def _answered(self, result: Any) -> Any:
        self._close()
        return result  # a failure here is a defect, and is logged as one

    def _line(self, document: dict[str, Any]) -> None:
        self.sendLine(json.dumps(document).encode())

    def _close(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()


class Door(Factory):
    """Makes a conversation for each who connects."""

    protocol: Any = _Visitor
    noisy = False

    def __init__(self, document: Callable[[], dict[str, Any]], questions: Questions, clock: Any) -> None:
        self.document = document
        self.questions = questions
        self.clock = clock
