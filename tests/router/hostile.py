"""A hostile client, as a process of its own: `python -m tests.router.hostile`, told what to do in JSON on its input.

It comes from 127.0.0.2, so that the router can tell it from the others. What it sends is drawn from a seeded generator;
its last line is a JSON object: how often each kind of attack was tried, and how often the router did not let it begin.
"""

import asyncio
import base64
import json
import os
import random
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import cbor2

from ionman.calls.login import Account, login

SOURCE = "127.0.0.2"
GONE = (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError)
UPGRADE = (
    "GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: wamp.2.cbor\r\n\r\n"
)
ROLES: dict[str, Any] = {name: {} for name in ("caller", "callee", "publisher", "subscriber")}
URI = "app.demo.method1"


@dataclass
class Target:
    """The router, and the account that the attacks after login use."""

    port: int
    ca: str
    account: Account
    random: random.Random
    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.context = ssl.create_default_context(cafile=self.ca)


class Connection:
    """A connection at some stage: `tcp`, `tls`, `upgraded`, `joined`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def reach(cls, target: Target, stage: str) -> "Connection":
        """A connection at `stage`."""
        secured: dict[str, Any] = {} if stage == "tcp" else {"ssl": target.context, "server_hostname": "localhost"}
        async with asyncio.timeout(30):
            streams = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(SOURCE, 0), **secured)
            self = cls(*streams)
            if stage in ("upgraded", "joined"):
                key = base64.b64encode(os.urandom(16)).decode()
                self.writer.write(UPGRADE.format(port=target.port, key=key).encode())
                answer = await self.reader.readuntil(b"\r\n\r\n")
                if b" 101 " not in answer:
                    raise EOFError
            if stage == "joined":
                await self.join(target.account)
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    async def join(self, account: Account) -> None:
        """Log in."""
        proof = login(account)
        details = {"roles": ROLES, "authmethods": [proof.method], "authid": account.user, "authextra": proof.extra()}
        self.message([1, account.realm, details])
        challenge = await self.answer()
        self.message([5, proof.answer(challenge[2]), {}])
        if (await self.answer())[0] != 2:
            raise EOFError

    def message(self, message: Any) -> None:
        """Send one WAMP message."""
        self.writer.write(frame(0x82, cbor2.dumps(message)))

    async def answer(self) -> list[Any]:
        """The next WAMP message; pings are passed over."""
        while True:
            opcode, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2))
            data = await self.reader.readexactly(size)
            if opcode == 0x82:
                found: list[Any] = cbor2.loads(data)
                return found


def frame(first: int, payload: bytes, *, masked: bool = True, length: int | None = None) -> bytes:
    """A WebSocket frame (RFC 6455, 5.2) with the mask 0; `length` may be a lie."""
    size, bit = len(payload) if length is None else length, 0x80 if masked else 0
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 1 << 16:
        head = bytes([first, bit | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, bit | 127]) + size.to_bytes(8)
    return head + (bytes(4) if masked else b"") + payload


def noise(draw: random.Random, most: int = 2000) -> bytes:
    return draw.randbytes(draw.randrange(1, most))


def rubbish(draw: random.Random, depth: int = 0) -> Any:
    """Any value that CBOR can say."""
    kind = draw.randrange(9 if depth < 4 else 6)
    match kind:
        case 0:
            return draw.choice([0, -1, 1 << 53, 1 << 64, -(1 << 63), draw.getrandbits(40)])
        case 1:
            return draw.choice(["", "..", "wamp.", URI, "app.\x00", "\n[ERROR] forged", "x" * 5000, "\u202e"])
        case 2:
            return draw.choice([None, True, False, 1.5, float("nan"), float("inf")])
        case 3:
            return draw.randbytes(draw.randrange(50))
        case 4 | 5:
            return draw.randrange(1000)
        case 6 | 7:
            return [rubbish(draw, depth + 1) for _ in range(draw.randrange(5))]
        case _:
            return {draw.choice(["match", "invoke", "timeout", "x"]): rubbish(draw, depth + 1) for _ in range(3)}


def bad_message(draw: random.Random) -> bytes:
    """What is no WAMP message, or one that nobody may send there."""
    kinds = (1, 2, 3, 4, 5, 6, 8, 16, 17, 32, 33, 34, 36, 48, 49, 50, 64, 66, 68, 69, 70, 7777)
    match draw.randrange(7):
        case 0:
            return noise(draw)
        case 1:
            return cbor2.dumps(rubbish(draw))
        case 2:
            return b"\x81" * draw.randrange(1, 3000) + b"\x00"  # lists in lists
        case 3:
            return cbor2.dumps([48, draw.getrandbits(30), {}, URI])[: draw.randrange(1, 15)]
        case 4:
            return b"\x9a\xff\xff\xff\xff\x01"  # a list that says it has 4 thousand million entries
        case 5:
            return cbor2.dumps([draw.choice(kinds), draw.getrandbits(30), {}, draw.choice([URI, "wamp.session.list"])])
        case _:
            return cbor2.dumps([draw.choice(kinds), *(rubbish(draw) for _ in range(draw.randrange(6)))])


def bad_frame(draw: random.Random) -> bytes:
    """What is no WebSocket frame, or one that is not allowed there."""
    match draw.randrange(8):
        case 0:
            return noise(draw)
        case 1:
            return frame(0x80 | draw.choice([3, 7, 11, 15]), noise(draw, 100))  # reserved opcodes
        case 2:
            return frame(0xF2, noise(draw, 100))  # reserved bits
        case 3:
            return frame(0x82, noise(draw, 100), masked=False)
        case 4:
            return frame(0x82, b"", length=draw.choice([1 << 20, 1 << 40, (1 << 63) - 1]))
        case 5:
            return frame(0x89, draw.randbytes(126))  # a ping that is too long
        case 6:
            return frame(0x88, draw.randbytes(draw.randrange(3)))  # closes that are none
        case _:
            return frame(0x81, b"\xff\xfe")  # text that is no UTF-8


def bad_request(draw: random.Random) -> bytes:
    """What is no HTTP request, or a hostile one; RawSocket's opening is among them."""
    match draw.randrange(6):
        case 0:
            return noise(draw)
        case 1:
            return b"\x7f" + draw.randbytes(3) + noise(draw)  # RawSocket (WAMP, "RawSocket Transport")
        case 2:
            return b"GET /ws HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 200) for n in range(300))
        case 3:
            return b"POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + noise(draw)
        case 4:
            return UPGRADE.format(port=1, key="").replace("13", "-1").encode()
        case _:
            return b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n"


def bad_frames(draw: random.Random) -> bytes:
    return bad_frame(draw) if draw.random() < 0.3 else frame(0x82, bad_message(draw))


def again(draw: random.Random) -> bytes:
    """Many messages that Crossbar answers, or writes a line for, and after which it does not hang up."""
    which = draw.choice([[1, "ionman", {"roles": ROLES}], [48, 1, {}, "app.no.such"], [64, 1, {}, "wamp.x"]])
    return frame(0x82, cbor2.dumps(which)) * 500


def before(draw: random.Random) -> bytes:
    """Many messages before the login."""
    return (
        frame(0x82, cbor2.dumps(draw.choice([[48, 1, {}, URI], [5, "x", {}], [1, "nobody", {"roles": ROLES}]]))) * 100
    )


ATTACKS: dict[str, tuple[str, Callable[[random.Random], bytes]]] = {
    "raw": ("tcp", noise),
    "rawsocket": ("tcp", lambda draw: b"\x7f" + noise(draw)),
    "http": ("tls", bad_request),
    "frames": ("upgraded", bad_frame),
    "messages": ("upgraded", bad_frames),
    "many": ("upgraded", before),
    "joined": ("joined", bad_frames),
    "joined frames": ("joined", bad_frame),
    "flood": ("joined", again),
}


async def attack(target: Target, name: str) -> None:
    """One attack: reach its stage, send a few times, hear what comes, go."""
    stage, make = ATTACKS[name]
    target.tried[name] += 1
    try:
        connection = await Connection.reach(target, stage)
    except GONE:
        target.refused[name] += 1
        return
    with suppress(*GONE):
        async with connection:
            for _ in range(target.random.randrange(1, 5)):
                connection.writer.write(make(target.random))
                await connection.writer.drain()
            async with asyncio.timeout(target.random.random()):
                while await connection.reader.read(1 << 16):
                    pass


async def malformed(target: Target, seconds: float, width: int = 20) -> None:
    """Every attack over and over, `width` at a time."""
    until = time.monotonic() + seconds

    async def one(number: int) -> None:
        names = list(ATTACKS)
        while time.monotonic() < until:
            number += 1
            await attack(target, names[number % len(names)])

    await asyncio.gather(*(one(number) for number in range(width)))


async def half_open(target: Target, seconds: float, count: int = 1000) -> None:
    """`count` connections that begin and go no further: silent, in the middle of TLS, of a request, before HELLO."""
    stages = ("tcp", "tcp", "tls", "upgraded")
    held: list[Connection] = []
    until = time.monotonic() + seconds

    async def one(number: int) -> None:
        name = f"half-open {stages[number % 4]}"
        target.tried[name] += 1
        try:
            connection = await Connection.reach(target, stages[number % 4])
            if number % 4 == 1:
                connection.writer.write(b"\x16\x03\x01\x02\x00\x01")
            elif number % 4 == 2:
                connection.writer.write(b"GET / HTTP/1.1\r\n")
            held.append(connection)
        except GONE:
            target.refused[name] += 1

    for number in range(0, count, 50):
        await asyncio.gather(*(one(number + more) for more in range(min(50, count - number))))
    print(json.dumps({"held": len(held)}), flush=True)
    await asyncio.sleep(max(0.0, until - time.monotonic()))


HOW: dict[str, Callable[[Target, float], Coroutine[Any, Any, None]]] = {"malformed": malformed, "half-open": half_open}


def main() -> None:
    """Do what standard input says: {"how", "seconds", "port", "ca", "user", "password", "seed"}."""
    told = json.loads(sys.stdin.read())
    os.nice(19)  # a hostile client is elsewhere, and takes nothing of the processors of the router and its clients
    account = Account("ionman", told["user"], told["password"])
    target = Target(told["port"], told["ca"], account, random.Random(told["seed"]))
    asyncio.run(HOW[told["how"]](target, told["seconds"]))
    print(json.dumps({"tried": target.tried, "refused": target.refused}))


if __name__ == "__main__":
    main()
