"""Keeps a peer from filling the router's log, or from writing lines in it that look like the router's own.

This file runs inside Crossbar's worker, beside ionman.routers.guard, which says whose octets are being worked off. A
message that is none costs Crossbar a traceback, a second HELLO a line, and both may be sent as fast as a peer can. So
of each address `MOST` entries are written in `WINDOW`, each cut and with a mark before its further lines; what is left
out is counted and said. It uses Python's library, Twisted, txaio and Autobahn only.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman
from twisted.internet import reactor as _reactor  # noqa: TID251
from twisted.logger import LogLevel, eventAsText, globalLogPublisher  # noqa: TID251
from twisted.python import context  # noqa: TID251
from txaio import get_global_log_level  # type: ignore[attr-defined]
from txaio.interfaces import log_levels

PEER = "ionman.peer"  # as in ionman.routers.guard
WINDOW = 10.0  # s
MOST = 100  # entries of one address in a window: the logins of 30 sessions
ALL = 1000  # entries of all addresses together
LENGTH = 1500  # characters of one entry: a traceback's beginning, or all of a line
CONTROL = re.compile(r"[^\n -~\u00a1-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\uf900-\ufdcf\ufdf0-\ufffc]")

PROOF = re.compile(r"('[a-z_-]*(?:signature|nonce|secret|ticket|key|password)': )'[^']*'")  # in an `authextra`
COLOUR = re.compile(r"\x1b\[[0-9;]*m")  # Crossbar's own

reactor: Any = _reactor
publisher: Any = globalLogPublisher
Event = dict[str, Any]


class Allowance:
    """How many entries of whom are written in one window."""

    def __init__(self, most: int = MOST, of_all: int = ALL) -> None:
        self._most, self._all = most, of_all
        self._written: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()

    def take(self, peer: str) -> bool:
        """Whether one more of `peer` may be written; what may not is counted."""
        if self._written[peer] < self._most and self._written.total() < self._all:
            self._written[peer] += 1
            return True
        self._dropped[peer] += 1
        return False

    def over(self) -> Mapping[str, int]:
        """A new window: how many of whom were left out in the one before."""
        dropped, self._dropped, self._written = self._dropped, Counter(), Counter()
        return dropped


def plain(text: str) -> str:
    """`text`, which a peer may have had a hand in, as one entry: cut, and without proofs or what moves a cursor."""
    text = PROOF.sub(r"\1...", COLOUR.sub("", text)).rstrip("\n")
    if len(text) > LENGTH:
        text = f"{text[:LENGTH]} ... ({len(text)} characters)"
    return CONTROL.sub("?", text).replace("\n", "\n    | ")


class Limited:
    """An observer of log events before `observer`, which writes them."""

    def __init__(self, observer: Callable[[Event], Any], allowance: Allowance) -> None:
        self._observer, self._allowance = observer, allowance

    def __call__(self, event: Event) -> None:
        """Pass `event` on, if its peer may still write; Crossbar's own go on as they are."""
        peer = context.get(PEER)
        if peer is None or not _written(event):
            self._observer(event)
        elif self._allowance.take(peer):
            text = eventAsText(event, includeTimestamp=False, includeSystem=False)
            self._observer(_entry(event, f"[{peer}] {plain(text)}"))


def _written(event: Event) -> bool:
    """Whether Crossbar writes such an event at all (crossbar/_logging.py, make_JSON_observer)."""
    level = event.get("log_level", LogLevel.info).name
    return bool(log_levels.index(level) <= log_levels.index(get_global_log_level()))


def _entry(event: Event, text: str) -> Event:
    kept: Event = {
        name: event[name] for name in ("log_level", "log_namespace", "log_time", "log_system") if name in event
    }
    return {**kept, "log_format": "{text}", "text": text}


class PeerLog(ApplicationSession):
    """Crossbar's component that puts itself before everything that writes the worker's log."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._allowance = Allowance()
        for observer in tuple(publisher._observers):
            publisher.removeObserver(observer)
            publisher.addObserver(Limited(observer, self._allowance))
        reactor.callLater(WINDOW, self._over)

    def _over(self) -> None:
        for peer, count in self._allowance.over().items():
            words = "{count} entries that {peer} caused in {window:g} s were left out here"
            self.log.warn(words, count=count, peer=peer, window=WINDOW)
        reactor.callLater(WINDOW, self._over)
