"""The process that holds the lock for one run of ansible-playbook, and goes when that goes, however it goes.

`ionman lock hold` reads one line of JSON on standard input::

    {"routers", "realm", "user", "password", "ca", "owner": {who, host, since, what, id, pid}, "folder", "pidfd"}

`pidfd` is an inherited descriptor of the run's main process (pidfd_open(2)): it becomes readable when that ends. The
holder says `ready` on standard output, closes that, and answers in `folder` (ionman.locks.place): one request for each
connection, lines of JSON back, the last one without "say"::

    {"do": "take", "wait": s}                     {"say": "waiting ..."}* then the state
    {"do": "state"}                               {"state", "why", "routers", "warnings", "owner", "asked"}
    {"do": "tell", "topic", "document"}           {"told": [routers]}
    {"do": "end", "topic", "document"}            {"told": [routers]}, when all is given back
"""

import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman import lock
from ionman.errors import InputError
from ionman.locks import place
from ionman.locks.hold import Hold
from ionman.locks.post import Login, Post

LONGEST = 1 << 20  # octets of a request
REQUEST = 10.0  # s for a request to be there
LAST = ("finished", "failed")
VANISHED = "the deployer ended before its work was done"
STOPPED = "the process that held its lock was stopped"

Json = dict[str, Any]


def serve(text: str) -> None:
    """Hold the lock that `text` describes until its run ends; raises `InputError` for what is no such description."""
    try:
        asked = json.loads(text)
        holder = Holder(asked)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this is no description of a lock", remedy="playbooks/lock.yml takes the lock") from error
    place.sweep()
    listener = place.listen(holder.folder)
    with listener:
        _ready()
        holder.run(listener, int(asked["pidfd"]))
    if holder.over:  # else the folder stays, to tell the run that its lock is gone; a later run sweeps it
        shutil.rmtree(holder.folder, ignore_errors=True)


class Holder:
    """Answers those who ask in the folder, until the run is over."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.folder = Path(asked["folder"])
        self._owner = lock.Owner(**asked["owner"])
        login = Login(asked["realm"], asked["user"], asked["password"], Path(asked["ca"]) if asked["ca"] else None)
        posts = [Post(router, login, self._owner, self._answer) for router in lock.order(asked["routers"])]
        self._hold = Hold(posts)
        self._warnings: list[str] = []
        self._asked = 0
        self._counting = threading.Lock()
        self.over = False  # the run, not only this process
        self._said = ""  # the last topic of this run
        self._counted = 0
        self._stop, self._stopped = os.pipe()
        os.set_blocking(self._stopped, False)

    def run(self, listener: socket.socket, pidfd: int) -> None:
        """Serve until the process behind `pidfd` is gone, or somebody ends it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._end())
        signal.set_wakeup_fd(self._stopped, warn_on_full_buffer=False)  # also when it comes just before the wait
        threading.Thread(target=self._listen, args=(listener,), daemon=True).start()
        ended = place.readable([pidfd, self._stop])
        self.over = self.over or pidfd in ended
        self._hold.release(self._farewell)

    # --- what is asked --------------------------------------------------------------------------------------------

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # Who asked may have gone, or have asked nonsense: then there is nobody to tell.
        with connection, suppress(OSError, ValueError, KeyError):
            connection.settimeout(REQUEST)
            asked = json.loads(line(connection))
            _say(connection, self._do(asked, connection))
            if asked["do"] == "end":
                self.over = True
                self._end()

    def _do(self, asked: Json, connection: socket.socket) -> Json:
        kinds: dict[str, Callable[[], Json]] = {
            "take": lambda: self._take(float(asked["wait"]), connection),
            "state": self._state,
            "tell": lambda: self._tell(str(asked["topic"]), asked["document"]),
            "end": lambda: self._tell_last(str(asked["topic"]), asked["document"]),
        }
        return kinds[asked["do"]]()

    def _take(self, wait: float, connection: socket.socket) -> Json:
        self._asked += 1
        found = self._hold.take(wait, lambda text: _say(connection, {"say": text}), lambda: _open(connection))
        self._warnings = list(found.warnings)
        if found.state == "held" and not self._said:
            self._tell("started", {"routers": self._hold.document()["routers"]})
        return self._state()

    def _state(self) -> Json:
        about = {"warnings": self._warnings, "owner": asdict(self._owner), "asked": self._asked}
        return {**self._hold.document(), **about}

    def _tell(self, topic: str, document: Mapping[str, Any]) -> Json:
        with self._counting:  # one after the other, so that they arrive in the order of their numbers
            self._said = topic
            self._counted += 1
            told = {"n": self._counted, **lock.event(document, self._owner, datetime.now(UTC))}
            return {"told": self._hold.publish(topic, told)}

    def _tell_last(self, topic: str, document: Mapping[str, Any]) -> Json:
        told = {"told": []} if self._said in LAST else self._tell(topic, document)
        self._hold.release()
        return told

    def _farewell(self) -> None:
        if self._said and self._said not in LAST:
            self._tell("failed", {"why": VANISHED if self.over else STOPPED})

    def _answer(self) -> Json:
        return self._owner.document(settled=self._hold.settled)

    def _end(self) -> None:
        os.write(self._stopped, b".")


def line(connection: socket.socket) -> bytes:
    """What comes up to a newline, or the end."""
    data = bytearray()
    while b"\n" not in data and len(data) < LONGEST:
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return bytes(data)


def _say(connection: socket.socket, document: Json) -> None:
    connection.sendall(json.dumps(document).encode() + b"\n")


def _open(connection: socket.socket) -> bool:
    """Whether who asked still waits for the answer."""
    return not place.readable([connection.fileno()], 0)


def _ready() -> None:
    """Tell who started this that it can be asked, and let go of its descriptors: it ends, this does not."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
