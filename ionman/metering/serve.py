"""The endpoint of a host: looks when it is asked, and has a process of another account talk to the network."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedRWPair
from pathlib import Path

from ionman.errors import NotPossible
from ionman.hosts.layout import Layout
from ionman.metering import front
from ionman.metering.gather import Gathering
from ionman.metrics import Snapshot, answer, exposition, well
from ionman.process import start

FRESH = 1.0  # s that a look is good for: several who ask at once cost one
BACKLOG = 64

Answer = tuple[int, bytes]


@dataclass(frozen=True)
class Where:
    """Where to answer, and the account of who talks to the network (empty: this process's own)."""

    address: str
    port: int
    user: str = ""


def serve(layout: Layout, where: Where, say: Callable[[str], None]) -> int:
    """Answer there until the front ends; returns its status."""
    channel, theirs = socket.socketpair()
    with listening(where.address, where.port) as door, theirs:
        passed = (door.fileno(), theirs.fileno())
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}
        command = _front(layout.python, where.user, *passed)
        child = start(command, env=environment, pass_fds=passed, stdout=None, stderr=None, new_session=False)
    say(f"metrics: http://{where.address}:{where.port}/metrics")
    with contextlib.closing(Gathering(layout)) as gathering, channel, channel.makefile("rwb") as questions:
        Answering(gathering, say).all(questions)
    return child.wait()


def listening(address: str, port: int) -> socket.socket:
    """A socket that listens there. Raises `NotPossible`."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((address, port))
    except OSError as error:
        made.close()
        why = f"{address}:{port} cannot be listened on: {error.strerror}"
        raise NotPossible(why, remedy="see who has it, or whether this host has that address") from error
    made.listen(BACKLOG)
    return made


def _front(python: Path, user: str, *descriptors: int) -> list[str | Path]:
    """The command of what talks to the network, with the descriptors that it gets."""
    confined = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--bounding-set=-all"] if user else []
    return [*confined, python, "-IS", Path(front.__file__), *map(str, descriptors)]


class Answering:
    """Answers questions; a look is used again while it is fresh. What is wrong is said when that changes."""

    def __init__(self, gathering: Gathering, say: Callable[[str], None]) -> None:
        self._gathering = gathering
        self._say = say
        self._seen = Snapshot()
        self._when = float("-inf")
        self._told: dict[str, str] = {}

    def all(self, questions: BufferedRWPair) -> None:
        """Answer until nobody asks any more."""
        kinds = {b"metrics\n": self._metrics, b"health\n": self._health}
        for question in questions:
            status, body = kinds[question]()
            questions.write(b"%d %d\n" % (status, len(body)) + body)
            questions.flush()

    def _metrics(self) -> Answer:
        return HTTPStatus.OK, exposition(self._look())

    def _health(self) -> Answer:
        checks = self._look().checks
        status = HTTPStatus.OK if well(checks) else HTTPStatus.SERVICE_UNAVAILABLE
        return status, json.dumps(answer(checks)).encode() + b"\n"

    def _look(self) -> Snapshot:
        if time.monotonic() - self._when > FRESH:
            self._seen = self._gathering.snapshot()
            self._when = time.monotonic()
            self._tell({**self._seen.troubles, **{one.what: one.why for one in self._seen.checks if one.why}})
        return self._seen

    def _tell(self, troubles: dict[str, str]) -> None:
        """Say what is new, and what is over."""
        for what, why in troubles.items():
            if self._told.get(what) != why:
                self._say(f"metrics: {what}: {why}")
        for what in self._told.keys() - troubles.keys():
            self._say(f"metrics: {what}: well again")
        self._told = troubles
