"""One WebSocket to a router, on asyncio over websockets' protocol without I/O: whole messages in, whole messages out.

No task waits for a message: one that comes is handed on from where it is read. A router that says nothing is found by
pings within `SILENT` and a tick.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

import cbor2
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from ionman.calls.reach import Router
from ionman.errors import Unavailable

SUBPROTOCOL = Subprotocol("wamp.2.cbor")
MAX_MESSAGE = 1 << 24  # octets, Crossbar's own limit
TICK, QUIET, SILENT = 0.25, 1.0, 4.0  # s: how often to look; quiet so long: ping; no sign so long: it is gone
DATA = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)


class Link(asyncio.Protocol):
    """`take` gets each message that comes; `ended` is called once, with why, when there will be no more."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.take: Callable[[list[Any]], None] = _ignore
        self.ended: Callable[[Unavailable], None] = _ignore
        self.full = False  # what is sent now would wait on this side
        self.drained: Callable[[], None] = _ignore  # called when it is not full any more
        self.gone: Unavailable | None = None
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        address = "ws://localhost/ws" if router.path else f"wss://{router}/ws"
        self._websocket = ClientProtocol(parse_uri(address), subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE)
        self._parts: deque[bytes] = deque()
        self._heard = loop.time()
        self._pinged = 0.0  # when, or 0 when nothing is asked
        self._ticking: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        """Send one message; on a link that has ended nothing happens."""
        if self.gone is None and self._websocket.state is State.OPEN:
            self._websocket.send_binary(data)
            self._flush()

    def drop(self, why: Unavailable, *, politely: bool = False) -> None:
        """End it now; `politely` sends what is buffered first."""
        if self.gone is not None:
            return
        self.gone = why
        if self._ticking:
            self._ticking.cancel()
        if politely and self._websocket.state is State.OPEN:
            self._websocket.send_close(1000)
            self._flush()
        if politely:
            self._transport.close()
        else:
            self._transport.abort()
        if not self.opened.done():
            self.opened.set_exception(why)
            self.opened.exception()  # looked at, should nobody wait any more
        self.ended(why)

    def abort(self) -> None:
        """Close without waiting for the router."""
        self._transport.abort()

    # --- what asyncio calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._websocket.send_request(self._websocket.connect())
        self._flush()
        self._ticking = self._loop.call_later(TICK, self._tick)

    def data_received(self, data: bytes) -> None:
        """Hand on what is whole."""
        self._heard, self._pinged = self._loop.time(), 0.0
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Response) and self._websocket.handshake_exc is None and not self.opened.done():
                self.opened.set_result(None)
        self._flush()
        if self._websocket.handshake_exc and not self.opened.done():
            self.opened.set_exception(self._websocket.handshake_exc)
        elif self._websocket.parser_exc:
            self.drop(_lost(self.router, str(self._websocket.parser_exc)))

    def eof_received(self) -> None:
        """The router has closed its side."""
        if not self.opened.done():
            self.opened.set_exception(InvalidHandshake("it closed the connection"))
        self.drop(_lost(self.router, "the router closed it"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, from either side."""
        if not self.opened.done():
            # In TLS 1.3 a router looks at a machine's certificate when the machine has its connection already.
            why = exc if isinstance(exc, ssl.SSLError) else InvalidHandshake(str(exc or "it closed the connection"))
            self.opened.set_exception(why)
        self.drop(_lost(self.router, str(exc or "the router closed it")))
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The router takes no more now."""
        self.full = True

    def resume_writing(self) -> None:
        """It does again."""
        self.full = False
        self.drained()

    # --- inside -------------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if data and not self._transport.is_closing():
                self._transport.write(data)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            close = self._websocket.close_rcvd
            self.drop(_lost(self.router, f"the router closed it: {close}"), politely=True)
        if frame.opcode not in DATA or self.gone:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
        self._parts.clear()
        try:
            self.take(cbor2.loads(data))
        except (cbor2.CBORDecodeError, UnicodeError, LookupError, TypeError, ValueError, AttributeError) as error:
            said = f"{self.router} sent what is no WAMP message ({error!r})"
            self.drop(Unavailable(said, remedy="is it a router?"))

    def _tick(self) -> None:
        now = self._loop.time()
        self._ticking = self._loop.call_later(TICK, self._tick)
        if self._pinged and now - self._pinged > SILENT - QUIET:
            self.drop(_lost(self.router, f"it was silent for {now - self._heard:.1f} s"))
        elif not self._pinged and now - self._heard > QUIET and self._websocket.state is State.OPEN:
            self._pinged = now
            self._websocket.send_ping(b"")
            self._flush()


def _ignore(*what: object) -> None:
    """Nobody listens yet."""


def _lost(router: Router, why: str) -> Unavailable:
    remedy = "what was asked may have been done or not: look before asking again"
    return Unavailable(f"the connection to {router} was lost ({why})", remedy=remedy)
