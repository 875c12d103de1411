"""A small real callee on a thread: registers procedures as a service does, and answers until it is stopped."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ionman.calls.login import Account
from ionman.calls.reach import open_websocket, parse, trust
from ionman.calls.session import Session
from ionman.errors import IonmanError

REGISTER, REGISTERED, INVOCATION, YIELD, ERROR = 64, 65, 68, 70, 8

Procedure = Callable[[Any, Mapping[str, Any]], Any]


class WampFailure(Exception):
    """Raised by a procedure to answer with this error."""

    def __init__(self, uri: str, *args: Any) -> None:
        super().__init__(uri, *args)
        self.uri = uri


class Callee:
    """Registers `procedures` (URI -> f(argv, details)); what f returns is the answer. Use it as a context manager."""

    def __init__(self, address: str, ca: Path, account: Account, procedures: Mapping[str, Procedure]) -> None:
        self._closing = ExitStack()
        place = parse(address)
        websocket = open_websocket(place, trust(ca), 10, self._closing)
        self.session = Session(place, websocket, time.monotonic() + 600, self._closing).join(account)
        self._procedures = {self._register(number, uri): run for number, (uri, run) in enumerate(procedures.items(), 1)}
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _register(self, number: int, uri: str) -> int:
        self.session.send([REGISTER, number, {"invoke": "roundrobin"}, uri])
        answer = self.session.receive()
        assert answer[0] == REGISTERED, answer
        return int(answer[2])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.session.leave()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                message = self.session.receive()
                if message[0] == INVOCATION:
                    self._answer(message)
            except IonmanError:
                return  # the session has ended

    def _answer(self, message: list[Any]) -> None:
        request, registration, details = message[1:4]
        argv = message[4][0] if len(message) > 4 and message[4] else None
        try:
            answer = self._procedures[registration](argv, details)
        except WampFailure as failure:
            self.session.send([ERROR, INVOCATION, request, {}, failure.uri, list(failure.args[1:])])
        else:
            self.session.send([YIELD, request, {}, [answer]])
