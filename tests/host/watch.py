"""Counts, all the while, how many instances of a host are alive and how many are ready."""

import threading
from types import TracebackType

from ionman.hosts import facts, supervisor
from tests.host.conftest import Host


class Watch:
    """The fewest that were ready and the most that were alive between its begin and its end."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.fewest = 1000
        self.most = 0

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            before = set(self._host.programs)
            states = supervisor.status(self._host.layout, before)
            ready = [name for name, one in states.items() if not facts.unready(self._host.layout, name, one)]
            if before == set(self._host.programs):  # else they changed while they were counted
                self.fewest = min(self.fewest, len(ready))
                self.most = max(self.most, sum(one.up for one in states.values()))
