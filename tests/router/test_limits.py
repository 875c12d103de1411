"""What the router's transport refuses: other origins, other serialisers, half-sent requests, big messages."""

import asyncio
import re
import socket
import ssl
import time
from contextlib import suppress

import cbor2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, NegotiationError
from websockets.typing import Origin, Subprotocol

from ionman.router import CONFIGURATION
from ionman.routers.listener import MAX_MESSAGE_SIZE
from tests.crossbar import Crossbar
from tests.router.hostile import SOURCE

STUMBLES = (b"nonsense\r\n\r\n", b"nonsense\r\n", b"GET /ws\r\n", b"\r\n\r\n")

CBOR = Subprotocol("wamp.2.cbor")


def context(router: Crossbar) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(router.ca))


def opens(router: Crossbar, origin: str | None = None, subprotocol: Subprotocol = CBOR) -> bool:
    async def opened() -> bool:
        async with connect(
            f"wss://{router.address}/ws",
            ssl=context(router),
            origin=Origin(origin) if origin else None,
            subprotocols=[subprotocol],
            proxy=None,
            compression="deflate",
        ) as websocket:
            assert not websocket.protocol.extensions  # compression was offered, and is off
            return websocket.subprotocol == subprotocol

    try:
        return asyncio.run(opened())
    except (InvalidStatus, NegotiationError):
        return False


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://localhost:PORT", True),
        ("https://127.0.0.1:PORT", True),
        (None, True),  # no browser
        ("https://localhost", False),
        ("http://localhost:PORT", False),
        ("https://localhost.evil.example:PORT", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
def test_only_the_routers_own_page_may_connect(router: Crossbar, origin: str | None, allowed: bool) -> None:
    assert opens(router, origin and origin.replace("PORT", str(router.port))) is allowed


@pytest.mark.parametrize("name", ["wamp.2.msgpack", "wamp.2.cbor"])
def test_binary_serialisers_are_spoken(router: Crossbar, name: str) -> None:
    assert opens(router, subprotocol=Subprotocol(name))


@pytest.mark.parametrize("name", ["wamp.2.json", "wamp.2.ubjson", "chat"])
def test_others_are_not(router: Crossbar, name: str) -> None:
    assert not opens(router, subprotocol=Subprotocol(name))


def test_a_message_above_the_limit_ends_the_connection(router: Crossbar) -> None:
    async def sent() -> None:
        url = f"wss://{router.address}/ws"
        async with connect(url, ssl=context(router), subprotocols=[CBOR], proxy=None) as websocket, asyncio.timeout(10):
            await websocket.send(cbor2.dumps([1, "ionman", {"roles": {"caller": {}}, "x": "x" * MAX_MESSAGE_SIZE}]))
            await websocket.recv()

    with pytest.raises(ConnectionClosed):
        asyncio.run(sent())


def test_plain_text_is_not_answered(router: Crossbar) -> None:
    with socket.create_connection((router.host, router.port)) as plain:
        plain.settimeout(10)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in plain.recv(4096)


def test_a_request_that_is_none_costs_a_line_of_the_log_at_most(router: Crossbar) -> None:
    """Twisted goes on with what comes after it has refused a request, and stumbles."""
    before = router.log.stat().st_size
    for first in STUMBLES:
        with (
            socket.create_connection((router.host, router.port)) as plain,
            context(router).wrap_socket(plain, server_hostname=router.host) as peer,
        ):
            peer.settimeout(10)
            peer.sendall(first)
            time.sleep(0.2)
            peer.sendall(b"\r\n")
            with suppress(ssl.SSLError, ConnectionError):
                while peer.recv(4096):
                    pass
    time.sleep(0.5)  # what a router writes is there a little later
    said = router.log.read_bytes()[before:].decode(errors="replace")
    assert "Traceback" not in said
    assert len(said.splitlines()) <= len(STUMBLES), said


def test_the_log_holds_no_secret_and_no_traceback(router: Crossbar) -> None:
    lines = router.log.read_text(errors="replace").splitlines()
    # What a peer caused is marked as that: of messages that are none there are tracebacks.
    text = "\n".join(line for line in lines if not line.startswith("    | ") and f"[{SOURCE}]" not in line)
    configuration = (router.directory / CONFIGURATION).read_text()
    salted = re.findall(r'"(?:salt|stored-key|server-key|secret)": "([0-9a-f]{16,})"', configuration)
    assert len(salted) > 10
    assert not [word for word in (*router.users.values(), "stored-key", *salted) if word in "\n".join(lines)]
    assert "Traceback" not in text
