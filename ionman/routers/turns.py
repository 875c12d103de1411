"""Deals out the time of Crossbar's worker between those who want work from it, so that nobody waits long for others.

A worker is one thread: it works off all that one connection has sent, and then looks at the next. This file runs in it,
beside ionman.routers.guard; it uses Python's library only.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol

SLICE = 0.001  # s of work for one connection, until others of its share go on; one message is never cut
SHARE = 0.004  # s of work for one share in one turn
TURN = 0.010  # s of work that had to wait, in one turn, until the worker looks at all its sockets again

clock = time.perf_counter


class Work(Protocol):
    """Who wants work."""

    share: "Share"
    lined: bool  # it waits in its share: for Turns alone

    @property
    def pending(self) -> bool:
        """Whether there is something to do."""

    def work(self, until: float) -> None:
        """Do some, and stop soon after `until` (by `clock`)."""

    def hold(self) -> None:
        """Bring no more for now."""

    def release(self) -> None:
        """Bring more."""


class Share:
    """Work that is counted together: of one user of one address, or of all of an address who are not logged in."""

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.members = 0
        self.turn = 0
        self.spent = 0.0
        self.queued = False
        self.waiting: deque[Work] = deque()


class Peers:
    """The connections of each address, and whose they are."""

    def __init__(self) -> None:
        self.addresses: Counter[str] = Counter()
        self.all = 0
        self.strangers = 0  # connections that are not logged in
        self._shares: dict[tuple[str, str], Share] = {}

    def enter(self, host: str, user: str) -> Share:
        """One connection more: the share of `user`, or of who is not logged in (""), at the address `host`."""
        share = self._shares.setdefault((host, user), Share((host, user)))
        share.members += 1
        self.addresses[host] += 1
        self.all += 1
        self.strangers += not user
        return share

    def leave(self, share: Share) -> None:
        """One connection less has it."""
        host, user = share.key
        share.members -= 1
        self.addresses[host] -= 1
        self.all -= 1
        self.strangers -= not user
        if not share.members:
            del self._shares[share.key]
        if not self.addresses[host]:
            del self.addresses[host]


class Turns:
    """Deals out time: what is not done in a turn goes on in the next, after every socket was looked at."""

    def __init__(self, call_later: Callable[[float, Callable[[], Any]], Any]) -> None:
        self._call_later = call_later
        self._number = 0
        self._called = False
        self._queue: deque[Share] = deque()

    def offer(self, connection: Work) -> None:
        """Let `connection` work now, or line it up."""
        share = connection.share
        if connection.lined or share.waiting or self._spent(share) >= SHARE:
            self._line_up(connection)
        else:
            self._work(connection)

    def _spent(self, share: Share) -> float:
        if share.turn != self._number:
            share.turn, share.spent = self._number, 0.0
        if not self._called:
            self._called = True
            self._call_later(0, self._next)
        return share.spent

    def _line_up(self, connection: Work) -> None:
        if not connection.lined:
            connection.lined = True
            connection.hold()
            connection.share.waiting.append(connection)
            self._enqueue(connection.share)

    def _enqueue(self, share: Share) -> None:
        if not share.queued:
            share.queued = True
            self._queue.append(share)

    def _work(self, connection: Work) -> None:
        began, share = clock(), connection.share
        try:
            connection.work(began + SLICE)
        finally:
            share.spent += clock() - began
        if connection.pending:
            self._line_up(connection)

    def _next(self) -> None:
        """A new turn: each who waits gets a share of it, in order, until it is over."""
        self._called = False
        self._number += 1
        until = clock() + TURN
        for _ in range(len(self._queue)):
            if clock() > until:
                break
            share = self._queue.popleft()
            self._serve(share)
            share.queued = False
            if share.waiting:
                self._enqueue(share)
        if self._queue and not self._called:
            self._called = True
            self._call_later(0, self._next)

    def _serve(self, share: Share) -> None:
        while share.waiting and self._spent(share) < SHARE:
            connection = share.waiting.popleft()
            connection.lined = False
            self._work(connection)
            if not connection.lined:
                connection.release()
