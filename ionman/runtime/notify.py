"""Tells systemd how the instance is, when systemd supervises it with Type=notify (sd_notify(3)).

A datagram of lines to the socket that NOTIFY_SOCKET names. Nothing here can stop a service: what cannot be told is not.
"""

import socket
from collections.abc import MutableMapping
from contextlib import suppress

from ionman.runtime.lifecycle import State

STATUS_CHARACTERS = 400


class Notify:
    """The way to systemd, if there is one; takes NOTIFY_SOCKET out of `environ`, for it is this process's alone."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        named = environ.pop("NOTIFY_SOCKET", "")
        self._address = f"\0{named[1:]}" if named.startswith("@") else named
        self._last = ""

    def told(self, state: State, message: str) -> None:
        """The instance is `state`, and says `message`."""
        words = " ".join(message.split())[:STATUS_CHARACTERS]
        lines = [f"STATUS={state}: {words}" if words else f"STATUS={state}"]
        if state is State.READY:
            lines.append("READY=1")
        elif state in (State.DRAINING, State.GONE):
            lines.append("STOPPING=1")
        self._send("\n".join(lines))

    def _send(self, text: str) -> None:
        if not self._address or text == self._last:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(text.encode(), self._address)
            self._last = text
