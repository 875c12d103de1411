"""The way from one router to another: a queue that is emptied when the other one has said that it has the events.

This file runs inside Crossbar's worker, beside ionman_links.py, in an environment without ionman. WebSocket and TLS,
logged in with the links' key; the certificate has to be for the router's name, from an authority that is trusted.
"""
# ruff: noqa: TID251 - it runs in Crossbar, not in ionman

import random
import time
from collections import deque
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp.auth import create_authenticator
from autobahn.wamp.serializer import CBORSerializer
from autobahn.wamp.types import ComponentConfig
from ionman_trusted import Trusted, Way  # type: ignore[import-not-found]
from twisted.application.internet import ClientService
from twisted.internet import reactor as running
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger

TAKE = "ionman.router.link.take"
KEPT = 60.0  # s that an event waits for a router that is away
MOST_OCTETS = 32 << 20  # that wait for one router
BATCH = 256 << 10  # octets in one message, beside an event that is larger
LOST = "wamp.close.transport_lost"
LOGIN = 5.0  # s from a connection to a session
PINGS = {"autoPingInterval": 2.0, "autoPingTimeout": 3.0}  # s: a silent router is noticed within five

log = Logger(namespace="ionman")
reactor: Any = running


class Outbox:
    """Events for one router, oldest first. `lost` counts those that did not get there in time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._sent: list[tuple[float, bytes]] = []
        self._octets = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    def add(self, event: bytes, now: float) -> None:
        """One more; the oldest make room."""
        self._waiting.append((now, event))
        self._octets += len(event)
        while self._waiting and (self._octets > MOST_OCTETS or now - self._waiting[0][0] > KEPT):
            self._octets -= len(self._waiting.popleft()[1])
            self.lost += 1

    def batch(self) -> list[bytes]:
        """What is to be sent now; `done` or `back` says what became of it."""
        octets = 0
        while self._waiting and (not self._sent or octets + len(self._waiting[0][1]) <= BATCH):
            self._sent.append(self._waiting.popleft())
            octets += len(self._sent[-1][1])
        return [event for _, event in self._sent]

    def done(self) -> int:
        """The other router has the batch; how many those are."""
        count = len(self._sent)
        self._octets -= sum(len(event) for _, event in self._sent)
        self._sent = []
        return count

    def back(self) -> None:
        """Nobody knows whether it has."""
        self._waiting.extendleft(reversed(self._sent))
        self._sent = []

    def since(self, moment: float) -> None:
        """Forget what is older: the router has begun after it, and nobody there was waiting for it."""
        while self._waiting and self._waiting[0][0] < moment:
            self._octets -= len(self._waiting.popleft()[1])


class Far(ApplicationSession):
    """The session on the other router."""

    def __init__(self, link: "Link", realm: str) -> None:
        super().__init__(ComponentConfig(realm))
        self._link = link
        self._proof = create_authenticator("cryptosign", authid=link.user, privkey=link.key)

    def onConnect(self) -> None:  # noqa: N802 - Autobahn's names
        """Log in with the links' key."""
        self._late = reactor.callLater(LOGIN, self._drop)
        self.join(self.config.realm, ["cryptosign"], self._link.user, authextra=self._proof.authextra)

    def onChallenge(self, challenge: Any) -> Any:  # noqa: N802
        """Prove it."""
        return self._proof.on_challenge(self, challenge)

    def onJoin(self, details: Any) -> None:  # noqa: N802
        """Send what waits."""
        del details
        self._late.cancel()
        self._link.joined(self)

    def onLeave(self, details: Any) -> None:  # noqa: N802
        """Say why it ended, and close."""
        if details.reason != LOST:
            self._link.left(f"{details.reason}: {details.message}" if details.message else details.reason)
        self.disconnect()

    def onDisconnect(self) -> None:  # noqa: N802
        """Wait no longer."""
        if self._late.active():
            self._late.cancel()
        super().onDisconnect()

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Wire(WampWebSocketClientProtocol):
    """Tells the link why a connection ended that has no session yet."""

    def connectionLost(self, reason: Any = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """It ended."""
        super().connectionLost(reason)
        self.factory.link.ended(reason)


class Link:
    """The way to one other router: comes back when it is lost, and knows what that router has not yet."""

    def __init__(self, peer: dict[str, str], place: dict[str, Any], realm: str) -> None:
        self.name, self.address = peer["name"], peer["address"]
        self.user, self.key = place["users"][realm], place["key"]
        self.outbox = Outbox()
        self.sent, self.error, self.since = 0, "not there yet", time.time()
        self._why = ""  # what the router said of this connection
        self._session: Far | None = None
        self._asking = False
        host, _, port = self.address.rpartition(":")
        self._trusted = Trusted(host.strip("[]"), place["ca"])
        self._reasons = place["reasons"]
        factory: Any = WampWebSocketClientFactory(
            lambda: Far(self, realm), url=f"wss://{self.address}/link", serializers=[CBORSerializer()]
        )
        factory.protocol, factory.link = Wire, self
        factory.setProtocolOptions(openHandshakeTimeout=LOGIN, tcpNoDelay=True, **PINGS)
        plain: Any = HostnameEndpoint(reactor, host.strip("[]"), int(port), timeout=LOGIN)
        end = wrapClientTLS(self._trusted, plain)
        self._service = ClientService(Way(end, self.ended), factory, pause, reactor)
        self._service.startService()

    def stop(self) -> None:
        """For good."""
        self._service.stopService()

    def send(self, event: bytes) -> None:
        """Have it sent."""
        self.outbox.add(event, time.monotonic())
        self._flush()

    def joined(self, session: Far) -> None:
        """Ask how long the router is up, and send what is not older."""
        self._session = session
        self._ask([], self._welcomed)

    def left(self, why: str) -> None:
        """The session is no good, and its connection about to end."""
        self._why = why
        if self._session is not None:
            self._session, self._asking = None, False
            self.outbox.back()
            self.since = time.time()

    def ended(self, failure: Any) -> None:
        """A connection could not be made, or ended."""
        refused, why = self._trusted.refused, self._why or failure.getErrorMessage().rstrip(".")
        if refused:
            why = f"its certificate {self._reasons.get(str(refused), f'is refused (X509_V_ERR {refused})')}"
        self.left("")
        self._told(why)

    def state(self) -> dict[str, Any]:
        """How it is: for `ionman.router.links`."""
        up = self._session is not None and not self.error
        return {
            **{"address": self.address, "up": up, "error": self.error, "since": self.since},
            **{"sent": self.sent, "waiting": len(self.outbox), "lost": self.outbox.lost},
        }

    def _flush(self) -> None:
        if self._session is not None and not self._asking and len(self.outbox):
            batch = self.outbox.batch()
            self._ask(batch, self._taken)

    def _ask(self, events: list[bytes], then: Any) -> None:
        session, self._asking = self._session, True

        def answered(answer: Any) -> None:
            if session is self._session:
                self._asking = False
                then(answer)
                self._flush()

        def failed(failure: Any) -> None:
            if session is self._session and session is not None:
                self.left(str(failure.value))
                session.disconnect()  # ClientService comes back, and not at once

        assert session is not None
        session.call(TAKE, events).addCallbacks(answered, failed)

    def _welcomed(self, answer: Any) -> None:
        self.outbox.since(time.monotonic() - answer["up"])
        self._told("")
        self.since = time.time()

    def _taken(self, answer: Any) -> None:
        del answer
        self.sent += self.outbox.done()

    def _told(self, why: str) -> None:
        if why != self.error:
            self.error = why
            log.info("link to {name} ({address}): {how}", name=self.name, address=self.address, how=why or "up")


def pause(attempt: int) -> float:
    """Seconds until the next attempt."""
    return float(min(0.1 * 1.5**attempt, 1.0) * random.uniform(0.5, 1.0))  # noqa: S311 - it spreads, it hides nothing
