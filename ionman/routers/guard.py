"""Keeps a slow or hostile peer from disturbing the others: deadlines, limits, and turns, inside Crossbar's worker.

This file runs in an environment without ionman: `apply` writes it beside Crossbar's configuration as it stands, so it
uses Python's library, Twisted, Autobahn and Crossbar only. Crossbar (26.10.1) has no deadline between the WebSocket's
opening and the login, no limit per address, keeps a request's body of any size, and works off whatever one connection
has sent before it looks at the next. It takes these places of its code, and does not start where one is missing:
`MaxConnectionsFactory`, `RouterSession.onJoin` and `.onLeave`, `WampWebSocketServerProtocol.onOpen`, `.consumeData`
and `.send`; of Twisted's, `HTTPChannel.checkPersistence`, and HTTP/2, which nobody needs here.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman
from crossbar.common.twisted import endpoint
from crossbar.router.protocol import WampWebSocketServerProtocol
from crossbar.router.session import RouterSession
from ionman_turns import Peers, Turns
from twisted.internet import reactor as _reactor  # noqa: TID251
from twisted.internet.task import LoopingCall  # noqa: TID251
from twisted.python import context  # noqa: TID251
from twisted.web import http  # noqa: TID251

PEER = "ionman.peer"  # in Twisted's context: the address whose octets are being worked off
REQUESTS = 20  # for pages, on one connection: all that have come are answered in one go
OFTEN = 1.0  # s between two looks at what waits for peers that do not read

reactor: Any = _reactor


class Limits(NamedTuple):
    """What is allowed, from the component's `extra`: seconds and numbers."""

    login: float  # from the connection to the first octet, and to being logged in
    visit: float  # for a connection that asks for pages only
    address: int  # connections of one address
    strangers: int  # connections that are not logged in, of all together
    before: int  # octets that one may send before it is logged in
    hello: int  # octets of a message before that
    unsent: int  # octets that may wait for a peer that does not read


class Connection(endpoint._CountedConnection):
    """One connection of the network's listener. Nothing is built for it before it has said something."""

    factory: "Guarded"
    wrappedProtocol: Any  # noqa: N815 - Twisted's name

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        """It was accepted."""
        self.transport, self.connected = transport, 1
        self.factory.registerProtocol(self)
        self.host = transport.getPeer().host
        self.begun = self.lined = self.joined = self.closing = self._working = False
        self._data = b""
        self._left: Any = None  # the protocol that has not worked off all it got
        self._late: Any = None
        self.share = self.factory.peers.enter(self.host, "")
        self._ask_for_login()

    @property
    def pending(self) -> bool:
        """Whether there is work that has come and is not done."""
        return not self.closing and bool(self._data or self._left)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Octets came."""
        if self.closing:
            return
        self._room -= len(data)
        if self._room < 0 and not self.joined:
            self.drop(f"sent {self.factory.limits.before} octets and did not log in")
            return
        self._data += data
        self.factory.turns.offer(self)

    def work(self, until: float) -> None:
        """Go on until the time `until`, or until nothing is left."""
        self._until, self._working = until, True
        try:
            if self._left:
                protocol, self._left = self._left, None
                self._in_context(protocol.consumeData)
            elif self._data:
                data, self._data = self._data, b""
                self._begin()
                self._in_context(self.wrappedProtocol.dataReceived, data)
        except Exception as error:
            if self.joined:
                raise
            # Twisted would end the connection too, after a traceback: no stranger may fill the log with those.
            self.drop(f"sent what cannot be read ({type(error).__name__})")
        finally:
            self._working = False

    def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            self.wrappedProtocol.makeConnection(self.transport)

    def _in_context(self, call: Callable[..., Any], *arguments: Any) -> None:
        context.call({PEER: self.host}, call, *arguments)

    def consume(self, protocol: Any) -> None:
        """Have a WebSocket `protocol` work off its messages, as far as the slice goes: its `consumeData`."""
        while self._left is None and protocol.processData() and protocol.state != protocol.STATE_CLOSED:
            if time.perf_counter() > self._until and protocol.data:
                self._left = protocol
        if self._left and not self._working:
            self.factory.turns.offer(self)

    def hold(self) -> None:
        """Read no more of it for now."""
        self.transport.pauseProducing()

    def release(self) -> None:
        """Read on."""
        if not self.closing:
            self.transport.resumeProducing()

    def login(self, user: str) -> None:
        """It is `user`'s now; or nobody's any more, when that is empty."""
        if self.closing:
            return
        self._forget_login()
        self.joined = bool(user)
        self.factory.peers.leave(self.share)
        self.share = self.factory.peers.enter(self.host, user)
        if not user:
            self._ask_for_login()

    def _ask_for_login(self) -> None:
        self._room = self.factory.limits.before
        self._since = reactor.seconds()
        self._late = reactor.callLater(self.factory.limits.login, self._look)

    def _forget_login(self) -> None:
        if self._late:
            self._late.cancel()
            self._late = None

    def _look(self) -> None:
        """The time for a login is over; who only looks at pages has more."""
        limits, self._late = self.factory.limits, None
        innermost = getattr(self.wrappedProtocol, "wrappedProtocol", None)
        pages = self.begun and not isinstance(innermost, WampWebSocketServerProtocol)
        left = limits.visit - (reactor.seconds() - self._since)
        if pages and left > 0:
            self._late = reactor.callLater(left, self._look)
        else:
            self.drop(f"did not log in within {limits.visit if pages else limits.login:g} s")

    def look_at_unsent(self) -> None:
        """End it if it does not read what it gets (twisted.internet.abstract.FileDescriptor has no public count)."""
        at = self.transport
        waiting = len(at.dataBuffer) - at.offset + at._tempDataLen
        if waiting > self.factory.limits.unsent:
            self.drop(f"does not read: {waiting} octets wait for it")

    def drop(self, why: str) -> None:
        """End it, and say why."""
        if not self.closing:
            self.closing = True
            self.factory.tell(self.host, f"dropped {self.host}: it {why}")
            self.transport.abortConnection()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """It is over."""
        self.closing = True
        self._forget_login()
        self.factory.peers.leave(self.share)
        self.factory.unregisterProtocol(self)
        if self.begun:
            self._in_context(self.wrappedProtocol.connectionLost, reason)
        self.wrappedProtocol = None


class Guarded(endpoint.MaxConnectionsFactory):
    """Crossbar's outermost factory of a listener, with limits for each address. The door has none: no address."""

    limits: Limits
    turns = Turns(reactor.callLater)
    peers = Peers()

    def doStart(self) -> None:  # noqa: N802 - Twisted's name
        """The listener begins."""
        super().doStart()
        LoopingCall(self.look_at_unsent).start(OFTEN)

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 - Twisted's name
        """A protocol for a connection from `addr`; None closes it."""
        host = getattr(addr, "host", None)
        if host is None:
            return super().buildProtocol(addr)
        if why := self._full(host):
            self.tell(host, f"refused {host}: {why}")
            return None
        found = super().buildProtocol(addr)
        if isinstance(found, endpoint._CountedConnection):
            return Connection(self, found.wrappedProtocol)
        return found

    def _full(self, host: str) -> str:
        """Why one more connection of `host` is not taken; empty when it is."""
        if self.peers.addresses[host] >= self.limits.address:
            return f"it has {self.limits.address} connections"
        if self.peers.strangers >= self.limits.strangers:
            return f"{self.limits.strangers} connections of all are not logged in"
        if len(self.protocols) < self.max_connections <= self.peers.all:  # of itself alone, Crossbar says it
            return f"{self.max_connections} connections of all listeners are open"
        return ""

    def tell(self, host: str, what: str) -> None:
        """Write it into the log, as an entry that `host` caused."""
        context.call({PEER: host}, self._log.warn, "{what}", what=what)

    def look_at_unsent(self) -> None:
        """End those who do not read."""
        for connection in list(self.protocols):
            if isinstance(connection, Connection):
                connection.look_at_unsent()


def connection_of(protocol: Any) -> Connection | None:
    """The connection that carries a WebSocket `protocol`, by TLS; None at the door."""
    server = getattr(protocol.transport, "transport", None)
    found = getattr(server, "protocol", None)
    return found if isinstance(found, Connection) else None


class Guard(ApplicationSession):
    """Crossbar's component that puts all this in place: it is the first, and Crossbar listens after the last."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        names = Limits._fields
        install(Limits(*(config.extra[name] for name in names)))


def install(limits: Limits) -> None:
    """Take the places in Crossbar's code, with `limits`; AttributeError where one is missing."""
    Guarded.limits = limits
    endpoint.MaxConnectionsFactory = Guarded
    _take_websockets(limits.hello)
    _take_sessions()
    _take_pages()


def _take_websockets(most: int) -> None:
    protocol: Any = WampWebSocketServerProtocol
    opened, consume, sent = protocol.onOpen, protocol.consumeData, protocol.send

    def on_open(self: Any) -> None:
        self.ionman = connection_of(self)
        if self.ionman:
            self.maxFramePayloadSize = self.maxMessagePayloadSize = most
        opened(self)

    def consume_data(self: Any) -> None:
        connection = getattr(self, "ionman", None)
        if connection and self.state == self.STATE_OPEN:
            connection.consume(self)
        else:
            consume(self)

    def send(self: Any, message: Any) -> None:
        # Else Autobahn raises. Where a callee and its caller go at once, Crossbar (dealer.py) would stop in the middle
        # of forgetting the callee, and route calls to nobody for ever.
        if self.state == self.STATE_OPEN:
            sent(self, message)

    protocol.onOpen, protocol.consumeData, protocol.send = on_open, consume_data, send


def _take_sessions() -> None:
    joined, left = RouterSession.onJoin, RouterSession.onLeave

    def on_join(self: Any, details: Any) -> None:
        at = self._transport
        if connection := getattr(at, "ionman", None):
            connection.login(details.authid or "-")
            at.maxFramePayloadSize = at.factory.maxFramePayloadSize
            at.maxMessagePayloadSize = at.factory.maxMessagePayloadSize
        joined(self, details)

    def on_leave(self: Any, details: Any) -> None:
        if connection := getattr(self._transport, "ionman", None):
            connection.login("")
        left(self, details)

    RouterSession.onJoin, RouterSession.onLeave = on_join, on_leave


def _take_pages() -> None:
    channel: Any = http.HTTPChannel
    persistent = channel.checkPersistence

    def check_persistence(self: Any, request: Any, version: bytes) -> bool:
        self.ionman_requests = getattr(self, "ionman_requests", 0) + 1
        return bool(persistent(self, request, version)) and self.ionman_requests < REQUESTS

    channel.checkPersistence = check_persistence
    http.H2_ENABLED = False
