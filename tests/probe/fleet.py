"""A few real instances of one service on the shared router, each with a name as `ionman host` gives it."""

import signal
from pathlib import Path

from tests.crossbar import Crossbar
from tests.runtime.author import Author, Running

SERVICE = "probed"
BODY = """
def app_probed_hello(self, argv, details):
    return self.ok({"hello": argv["n"], "version": 1})

async def app_probed_slow(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, 0.2)
    return self.ok({"n": argv["n"]})
"""


class Instances:
    """Starts and ends instances `probed.<generation>.<n>`; all are gone after `close`."""

    def __init__(self, folder: Path, router: Crossbar) -> None:
        self.author = Author(folder, router, SERVICE).shell("probed").module("probed", BODY).configure()
        self.running: dict[str, Running] = {}
        self._last = 0

    def start(self, generation: str, *, ready: bool = True) -> str:
        """Start one more; its name."""
        self._last += 1
        name = f"{SERVICE}.{generation}.{self._last}"
        self.running[name] = self.author.start(IONMAN_INSTANCE=name)
        if ready:
            self.running[name].until("ready")
        return name

    def drain(self, name: str) -> None:
        """End it in order."""
        assert self.running.pop(name).end() == 0

    def kill(self, name: str) -> None:
        """Pull the plug."""
        self.running.pop(name).end(signal.SIGKILL)

    def close(self) -> None:
        self.author.close()
