"""Callers in a closed loop, and what became of their calls."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from ionman.call import Client
from ionman.errors import IonmanError


class Loops:
    """Each client calls again and again, on a thread of its own, until the block ends; `lost`: what `call` raised."""

    def __init__(self, clients: list[Client], call: Callable[[Client, int], Any]) -> None:
        self._clients, self._call = clients, call
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(len(clients))
        self.answered = 0
        self.slowest = 0.0  # s
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self._running = [self._threads.submit(self._loop, client) for client in self._clients]
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for one in self._running:
            one.result(60)
        self._threads.shutdown()

    def _loop(self, client: Client) -> None:
        number = 0
        while not self._over.is_set():
            began = time.monotonic()
            number += 1
            try:
                self._call(client, number)
            except IonmanError as error:
                self.lost.append(str(error))
            else:
                self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
