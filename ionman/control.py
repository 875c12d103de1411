"""Asks a running instance how it is, through its control socket. Standard library only.

The instance writes one JSON object and a newline::

    {"service","instance","title","version","release","host","pid","since","state","message","in_flight",
     "routers": {"host1:8443": {"state","error"}}, "procedures": [uris], "answers": ["others"],
     "stats": {uri: {"calls","errors","last_error","total_ms","latency_ms": {"mean","max","p50","p99"},
                     "buckets_ms": [[upper bound, calls up to it]]}}}

and then takes one of the questions in `answers` as a line, answers it with another line, and closes; it closes too when
nothing is asked for half a second. An instance with an older runtime has no `answers`, and fewer numbers.
"""

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ionman.errors import Unavailable

LARGEST = 16 << 20  # bytes; far beyond any honest answer


def ask(path: Path, timeout: float = 2.0) -> dict[str, Any]:
    """Return what the instance at socket `path` says within `timeout` seconds; raises `Unavailable`."""
    return _told(path, timeout, lambda deadline: _lines(path, deadline, b"", 1))[0]


def others(path: Path, timeout: float = 10.0) -> dict[str, list[str]]:
    """Return of which procedures the instance at `path` is the last callee on some router: ``{"alone", "unknown"}``.

    `unknown` are those for which a router does not say, or this user may not ask it: all, of an older runtime. Raises
    `Unavailable` for an instance that does not answer.
    """
    said = _question(path, "others", timeout)
    if len(said) < 2:
        return {"alone": [], "unknown": list(said[0].get("procedures", ()))}
    return {name: list(said[1].get(name, ())) for name in ("alone", "unknown")}


def through(path: Path, timeout: float = 10.0) -> dict[str, dict[str, Any]]:
    """Return whether the service of the instance at `path` answers by each router: ``{"host1:8443": {"ms", "error"}}``.

    Of an older runtime only whether the instance is on the router, without `ms`. Raises `Unavailable`.
    """
    said = _question(path, "through", timeout)
    if len(said) > 1:
        return dict(said[1].get("routers", {}))
    return {name: {"error": _standing(one)} for name, one in said[0].get("routers", {}).items()}


def _standing(router: dict[str, str]) -> str:
    """Why an instance is not on a router; empty when it is."""
    return "" if router["state"] == "ready" else router.get("error") or router["state"]


def _question(path: Path, question: str, timeout: float) -> list[dict[str, Any]]:
    """What an instance says of itself, and its answer to `question`; without that, where it does not know it."""

    def talk(deadline: float) -> list[dict[str, Any]]:
        while True:
            said = _lines(path, deadline, f"{question}\n".encode(), 2)
            # A busy machine may take longer to ask than the instance waits for it.
            if len(said) != 1 or question not in said[0].get("answers", ()) or time.monotonic() > deadline:
                return said

    return _told(path, timeout, talk)


def _told(path: Path, timeout: float, talk: Callable[[float], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        answers = talk(time.monotonic() + timeout)
    except FileNotFoundError as error:
        raise Unavailable(f"{path}: no instance runs here", remedy="start it") from error
    except ConnectionRefusedError as error:
        raise Unavailable(f"{path}: the instance that ran here is gone", remedy="start it again") from error
    except TimeoutError as error:
        raise Unavailable(f"{path}: the instance did not answer within {timeout:g} s", remedy="see its log") from error
    except OSError as error:
        raise Unavailable(f"{path}: the instance cannot be asked: {error.strerror or error}") from error
    except ValueError as error:
        raise Unavailable(f"{path}: what answered is no instance of ionman") from error
    if not answers or not all(isinstance(answer, dict) for answer in answers):
        raise Unavailable(f"{path}: what answered is no instance of ionman")
    return answers


def _lines(path: Path, deadline: float, question: bytes, count: int) -> list[dict[str, Any]]:
    """The JSON values of up to `count` lines; fewer when the instance closes before."""
    data = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.connect(str(path))
        with suppress(BrokenPipeError):  # an older runtime may have closed already; what it said is still there
            connection.sendall(question)
        while data.count(b"\n") < count and len(data) < LARGEST:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                part = connection.recv(65536)
            except ConnectionResetError:  # it closed without having read the question
                break
            if not part:
                break
            data += part
    return [json.loads(line) for line in bytes(data).splitlines()[:count]]
