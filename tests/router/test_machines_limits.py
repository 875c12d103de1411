"""The limits of a router hold for machines too, before they are logged in and after, and for all ports together."""

import asyncio
import base64
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import InvalidStatus, NegotiationError
from websockets.typing import Origin, Subprotocol

from ionman.errors import Unavailable, WampError
from ionman.routers.limits import HELLO
from ionman.routers.listener import MAX_MESSAGE_SIZE
from tests.router.hostile import UPGRADE, frame
from tests.router.machines import Plant

LOGIN = 4  # s, less than a WebSocket's opening has
ADDRESS, ALL = 12, 20  # connections of one address, and of all


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("plant"))
    plant.description |= {"login_timeout": LOGIN, "max_connections_per_address": ADDRESS, "max_connections": ALL}
    plant.start()
    yield plant
    plant.kill()


def shown(router: Plant, pair: str = "pump") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(router.ca))
    context.load_cert_chain(router.pairs / f"{pair}.pem")
    return context


@pytest.mark.parametrize("origin", [None, "https://localhost:PORT", "https://evil.example", "null"])
def test_no_page_may_connect(router: Plant, origin: str | None) -> None:
    """A browser would show the machine's certificate to whoever asks."""

    async def opened() -> None:
        at = Origin(origin.replace("PORT", str(router.machines))) if origin else None
        url, subprotocols = f"wss://localhost:{router.machines}/ws", [Subprotocol("wamp.2.cbor")]
        async with open_websocket(
            url, ssl=shown(router), origin=at, subprotocols=subprotocols, proxy=None
        ) as websocket:
            assert not websocket.protocol.extensions

    if origin is None:
        asyncio.run(opened())
    else:
        with pytest.raises(InvalidStatus):
            asyncio.run(opened())


def test_json_is_not_spoken(router: Plant) -> None:
    async def opened() -> None:
        url, subprotocols = f"wss://localhost:{router.machines}/ws", [Subprotocol("wamp.2.json")]
        async with open_websocket(url, ssl=shown(router), subprotocols=subprotocols, proxy=None):
            pass

    with pytest.raises((InvalidStatus, NegotiationError)):
        asyncio.run(opened())


async def reached(router: Plant, stage: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has come as far as `stage`: tcp, tls, or opened."""
    reader, writer = await asyncio.open_connection(
        "localhost", router.machines, ssl=None if stage == "tcp" else shown(router)
    )
    if stage == "opened":
        key = base64.b64encode(bytes(16)).decode()
        writer.write(UPGRADE.format(port=router.machines, key=key).encode())
        assert b"101" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def ended(router: Plant, stage: str, said: bytes = b"") -> float:
    """Seconds until the router ends a connection on which `said` is all that is said at `stage`."""
    began = time.monotonic()
    reader, writer = await reached(router, stage)
    writer.write(said)
    with suppress(OSError):
        while await reader.read(1 << 16):
            pass
    writer.close()
    return time.monotonic() - began


def test_who_does_not_log_in_is_dropped_and_who_has_stays(router: Plant) -> None:
    async def all_of_them() -> list[float]:
        async with asyncio.timeout(60):
            return [*await asyncio.gather(*(ended(router, stage) for stage in ("tcp", "tls", "opened")))]

    lost: list[Exception] = []
    with router.enter("pump") as pump:
        pump.on_lost(lost.append)
        seconds = asyncio.run(all_of_them())
        assert LOGIN - 1 < min(seconds) <= max(seconds) < LOGIN + 10
        with pytest.raises(WampError, match="no_such_procedure"):
            pump.call("app.pump.none")
    assert not lost
    assert router.log.read_text().count(f"it did not log in within {LOGIN} s") == 3


def test_a_great_message_before_the_login_is_refused_and_after_it_taken(router: Plant) -> None:
    async def refused() -> float:
        async with asyncio.timeout(60):
            return await ended(router, "opened", frame(0x82, bytes(HELLO + 1)))

    assert asyncio.run(refused()) < LOGIN - 1
    with router.enter("pump") as pump, pytest.raises(WampError, match="no_such_procedure"):
        pump.call("app.pump.none", "x" * (HELLO + 1))


def turned_away(port: int, address: str) -> bool:
    with socket.create_connection(("127.0.0.1", port), source_address=(address, 0)) as more:
        more.settimeout(10)
        return more.recv(1) == b""


def test_connections_count_at_both_ports_together(router: Plant) -> None:
    """Those of one address, and those of all."""

    def hold(number: int, address: str) -> None:
        for _ in range(number):
            held.enter_context(socket.create_connection(("127.0.0.1", router.port), source_address=(address, 0)))

    with ExitStack() as held:
        for _ in range(ADDRESS - 1):
            held.enter_context(router.enter("pump"))
        hold(1, "127.0.0.1")
        assert turned_away(router.port, "127.0.0.1")
        assert turned_away(router.machines, "127.0.0.1")
        hold(ALL - ADDRESS, "127.0.0.3")
        assert turned_away(router.port, "127.0.0.4")
        assert turned_away(router.machines, "127.0.0.4")
    log = router.log.read_text()
    assert log.count(f"refused 127.0.0.1: it has {ADDRESS} connections") == 2
    assert log.count(f"refused 127.0.0.4: {ALL} connections of all listeners are open") == 2


def test_a_message_above_the_limit_ends_the_connection(router: Plant) -> None:
    with router.enter("pump", largest=4 * MAX_MESSAGE_SIZE) as pump, pytest.raises(Unavailable):
        pump.call("app.pump.none", "x" * MAX_MESSAGE_SIZE)
