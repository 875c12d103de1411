"""A connection that is given up while it is being opened leaves nothing open, at whichever moment."""

import asyncio
import gc
import socket
import ssl
import warnings
from pathlib import Path

import pytest

from ionman import certificate
from ionman.calls import opening
from ionman.calls.reach import Router, Trust

TURNS = 20  # of the loop, which is more than the way to the WebSocket's request takes


def test_an_attempt_that_is_cancelled_closes_its_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = certificate.authority()
    leaf = certificate.leaf(authority, ["localhost"])
    for name, octets in (("ca", authority.certificate), ("certificate", leaf.certificate), ("key", leaf.key)):
        (tmp_path / name).write_bytes(octets)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    trusted = Trust(tmp_path / "ca", None)

    async def addresses(router: Router) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", router.port))]

    async def given_up(turns: int) -> None:
        server = await asyncio.start_server(_read, "127.0.0.1", 0, ssl=serving)
        router = Router("localhost", server.sockets[0].getsockname()[1])
        attempt = asyncio.ensure_future(opening.open_link(router, trusted, 5.0))
        for _ in range(turns):
            await asyncio.sleep(0)
        attempt.cancel()
        await asyncio.wait([attempt])
        await asyncio.sleep(0)
        server.close()
        serving_still = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        if serving_still:
            await asyncio.wait(serving_still)

    monkeypatch.setattr(opening, "_addresses", addresses)  # a thread would end in a turn of its own
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        for turns in range(TURNS):
            asyncio.run(given_up(turns))
            gc.collect()
    assert [str(one.message) for one in seen] == []


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()
