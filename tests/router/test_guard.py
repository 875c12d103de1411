"""What keeps one peer of a router from disturbing the others, against a real Crossbar."""

import asyncio
import json
import random
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress

import cbor2
import pytest

from ionman.call import Account
from ionman.routers.limits import BEFORE
from ionman.routers.listener import HTTP_TIMEOUT_S
from tests.crossbar import Crossbar
from tests.router.hostile import ROLES, SOURCE, Connection, Target, frame
from tests.router.peers import calls, hostile, limit, p99, worker

LOGIN, ADDRESS, ALL = 3, 30, 80  # s, and connections, of the router that these tests have for themselves
ENTRIES = 1500 * 100 * 4  # octets that one address may write in the time that a test takes, and some


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    """A router with narrow limits."""
    crossbar = Crossbar(tmp_path_factory.mktemp("limited"))
    crossbar.description |= {"login_timeout": LOGIN, "max_connections_per_address": ADDRESS, "max_connections": ALL}
    yield crossbar.start()
    crossbar.kill()


def target(router: Crossbar, user: str = "bob") -> Target:
    return Target(router.port, str(router.ca), Account("ionman", user, router.users[user]), random.Random(1))


async def ended(connection: Connection) -> float:
    """Seconds until the router ends a connection that says nothing more."""
    began = time.monotonic()
    async with asyncio.timeout(60), connection:
        with suppress(OSError):
            while await connection.reader.read(1 << 16):
                pass
    return time.monotonic() - began


async def begun(router: Crossbar, how: str) -> Connection:
    """A connection on which a login has begun, and does not go on."""
    stage = {"request": "tls", "hello": "upgraded", "goodbye": "joined"}.get(how, how)
    connection = await Connection.reach(target(router), stage)
    if how == "request":
        connection.writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n")
    elif how == "hello":
        details = {"roles": ROLES, "authmethods": ["scram"], "authid": "bob", "authextra": {"nonce": "AAAA"}}
        connection.message([1, "ionman", details])
    elif how == "goodbye":
        connection.message([6, {}, "wamp.close.normal"])
    return connection


def test_who_does_not_log_in_is_dropped_and_who_has_logged_in_stays(limited: Crossbar) -> None:
    ways = ("tcp", "upgraded", "hello", "goodbye", "tls", "request")

    async def waited() -> dict[str, float]:
        connections = [await begun(limited, how) for how in ways]
        return dict(zip(ways, await asyncio.gather(*map(ended, connections)), strict=True))

    with limited.caller("ops") as ops:
        found = asyncio.run(waited())
        assert ops.call("wamp.session.count") >= 1
    for how, seconds in found.items():
        # In TLS and no further it may still be somebody who asks for a page: there HTTP's own deadline holds.
        assert seconds < (HTTP_TIMEOUT_S if how in ("tls", "request") else LOGIN) + 5, found


@pytest.mark.parametrize("stage", ["tls", "upgraded"])
def test_many_octets_before_the_login_end_the_connection(router: Crossbar, stage: str) -> None:
    much = b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + b"x" * BEFORE
    many = frame(0x82, cbor2.dumps([48, 1, {}, "app.x"])) * (BEFORE // 10)

    async def sent() -> None:
        async with await Connection.reach(target(router), stage) as connection, asyncio.timeout(30):
            connection.writer.write(much if stage == "tls" else many)
            await connection.writer.drain()
            while await connection.reader.read(1 << 16):
                pass

    with pytest.raises(ConnectionError):
        asyncio.run(sent())


def test_a_great_message_before_the_login_is_refused_and_after_it_taken(router: Crossbar) -> None:
    async def answered(stage: str) -> bytes:
        async with await Connection.reach(target(router), stage) as connection, asyncio.timeout(10):
            connection.message([48, 1, {}, "app.nothing.there", ["x" * 40_000]])
            return await connection.reader.read(1 << 16)

    assert b"no_such_procedure" in asyncio.run(answered("joined"))
    with pytest.raises(ConnectionResetError):
        asyncio.run(answered("upgraded"))


def test_one_address_has_so_many_connections_and_others_come_in(limited: Crossbar) -> None:
    held = [socket.create_connection(("127.0.0.1", limited.port), source_address=(SOURCE, 0)) for _ in range(ADDRESS)]
    try:
        with socket.create_connection(("127.0.0.1", limited.port), source_address=(SOURCE, 0)) as more:
            more.settimeout(10)
            assert more.recv(1) == b""
        with limited.caller("ops") as ops:
            assert ops.call("wamp.session.count") >= 1
    finally:
        for one in held:
            one.close()
    assert f"refused {SOURCE}: it has {ADDRESS} connections" in limited.log.read_text()


def test_who_does_not_read_is_dropped_before_the_router_drowns(router: Crossbar) -> None:
    async def flooded() -> None:
        async with (
            await Connection.reach(target(router), "joined") as deaf,
            await Connection.reach(target(router, "alice"), "joined") as talker,
            asyncio.timeout(60),
        ):
            deaf.message([32, 1, {}, "app.hostile.flood"])
            assert (await deaf.answer())[0] == 33  # from now on it reads no more than its buffers hold
            for _ in range(60):
                talker.message([16, 1, {}, "app.hostile.flood", ["x" * 900_000]])
                await talker.writer.drain()
            while "does not read" not in router.log.read_text():
                await asyncio.sleep(0.2)

    asyncio.run(flooded())


def test_pages_are_few_on_one_connection_and_not_by_http2(router: Crossbar) -> None:
    context = ssl.create_default_context(cafile=str(router.ca))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection((router.host, router.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.selected_alpn_protocol() == "http/1.1"
        secured.settimeout(20)
        secured.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        text = b""
        while data := secured.recv(1 << 16):
            text += data
    assert text.count(b"HTTP/1.1 200") == 20


@pytest.mark.parametrize(("how", "seconds"), [("malformed", 5), ("half-open", 3)])
def test_a_hostile_client_does_not_disturb_the_others(router: Crossbar, how: str, seconds: float) -> None:
    pid, log = worker(router), router.log.stat().st_size
    with limit(pid) as allowed, hostile(router, how, seconds) as done:
        took = calls(router, seconds)
    assert worker(router) == pid
    assert p99(took) < allowed[0], f"p99 {p99(took):.3f} s, at most {max(took):.3f} s; {json.dumps(done)}"
    assert sum(done["tried"].values()) > 50
    assert done.get("held", 1000) == 1000
    assert router.log.stat().st_size - log < ENTRIES
