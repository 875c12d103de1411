"""Asks a running instance how it is, through its control socket. Standard library only.

The instance writes one JSON object and a newline, and closes::

    {"service","instance","title","version","release","host","pid","since","state","message","in_flight",
     "routers": {"host1:8443": {"state","error"}}, "procedures": [uris],
     "stats": {uri: {"calls","errors","last_error","latency_ms": {"mean","max"}}}}
"""

import json
import socket
import time
from pathlib import Path
from typing import Any

from ionman.errors import Unavailable

LARGEST = 16 << 20  # bytes; far beyond any honest answer


def ask(path: Path, timeout: float = 2.0) -> dict[str, Any]:
    """Return what the instance at socket `path` says within `timeout` seconds; raises `Unavailable`."""
    try:
        text = _read(path, time.monotonic() + timeout)
        answer = json.loads(text)
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
    if not isinstance(answer, dict):
        raise Unavailable(f"{path}: what answered is no instance of ionman")
    return answer


def _read(path: Path, deadline: float) -> bytes:
    data = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        connection.connect(str(path))
        while len(data) < LARGEST:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            part = connection.recv(65536)
            if not part:
                break
            data += part
    return bytes(data)
