"""From `host:port` to an open link, or to one sentence that says what is in the way."""

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus

from ionman.calls.identity import refusal
from ionman.calls.link import Link
from ionman.calls.reach import Router, Trust
from ionman.certificates.refused import explain
from ionman.errors import Refused, Unavailable


async def open_link(router: Router, trusted: Trust, limit: float) -> Link:
    """A WebSocket to `router` that speaks WAMP in CBOR; `Unavailable` or `Refused` says why there is none.

    `limit` (seconds) is for the whole way: name, TCP, TLS, WebSocket.
    """
    try:
        async with asyncio.timeout(limit):
            return await _open(router, trusted)
    except ssl.SSLCertVerificationError as error:
        why = explain(error.verify_code, error.verify_message)
        raise Unavailable(f"{router} is not trusted: its certificate {why.what}", remedy=why.remedy) from error
    except ssl.SSLError as error:
        if refused := refusal(error):
            raise Refused(f"{router} does not let this machine in: {refused[0]}", remedy=refused[1]) from error
        remedy = "is this the router's TLS port?"
        raise Unavailable(f"{router} does not speak TLS ({error.reason or error})", remedy=remedy) from error
    except socket.gaierror as error:
        remedy = "look for a typing error, or at the resolver"
        raise Unavailable(f"the name {router.host} is not resolved: {error.strerror}", remedy=remedy) from error
    except (ConnectionRefusedError, FileNotFoundError) as error:
        remedy = "start the router, or look at the port"
        raise Unavailable(f"{router} refuses connections: nothing listens there", remedy=remedy) from error
    except TimeoutError as error:
        raise Silent(router, limit) from error
    except InvalidStatus as error:
        remedy = "the router may still be starting; else look at the port"
        status = error.response.status_code
        raise Unavailable(f"{router} has no WAMP at /ws (HTTP status {status})", remedy=remedy) from error
    except (InvalidHandshake, EOFError, OSError) as error:
        raise Broken(router, error) from error


class Silent(Unavailable):
    """The router did not answer in time: another try may well be answered (about 1 upgrade of 2,000 never is)."""

    def __init__(self, router: Router, limit: float) -> None:
        remedy = "look at the router, at firewalls, and at the address"
        super().__init__(f"{router} did not answer within {limit:.1f} s", remedy=remedy)


class Broken(Unavailable):
    """The router ended the connection before it was open."""

    def __init__(self, router: Router, why: Exception) -> None:
        remedy = "is this a router, and not full?"
        super().__init__(f"{router} ended the connection before it was open ({why})", remedy=remedy)


async def _open(router: Router, trusted: Trust) -> Link:
    transport, link = await (_unix(router) if router.path else _tls(router, trusted))
    try:
        await link.opened
    except BaseException:
        transport.abort()
        raise
    return link


async def _unix(router: Router) -> tuple[asyncio.Transport, Link]:
    return await asyncio.get_running_loop().create_unix_connection(lambda: Link(router), router.path)


async def _tls(router: Router, trusted: Trust) -> tuple[asyncio.Transport, Link]:
    # In two steps: one create_connection(ssl=...) that is cancelled as its handshake ends leaves the connection open.
    loop, context = asyncio.get_running_loop(), trusted.context()
    sock = await _tcp(router)
    try:
        plain, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
    except BaseException:
        sock.close()
        raise
    transport = await loop.start_tls(
        plain, asyncio.Protocol(), context, server_hostname=router.host, ssl_shutdown_timeout=1
    )
    if transport is None or transport.is_closing():
        raise ConnectionResetError("it closed the connection")
    link = Link(router)
    transport.set_protocol(link)
    link.connection_made(transport)
    return transport, link


async def _tcp(router: Router) -> socket.socket:
    """A TCP connection to the first address of `router` that takes one."""
    refused: OSError = OSError(f"{router.host} has no address")
    for family, kind, protocol, _, address in await _addresses(router):
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, address)
        except OSError as error:
            connection.close()
            refused = error
        except BaseException:
            connection.close()
            raise
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise refused


async def _addresses(router: Router) -> list[tuple[Any, ...]]:
    """What the name stands for. getaddrinfo(3) knows no deadline, so it runs in a thread that may outlive this call."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

    def tell(answer: list[tuple[Any, ...]] | OSError) -> None:
        if found.done():
            return
        if isinstance(answer, OSError):
            found.set_exception(answer)
        else:
            found.set_result(answer)

    def work() -> None:
        answer: list[tuple[Any, ...]] | OSError
        try:
            answer = [*socket.getaddrinfo(router.host, router.port, type=socket.SOCK_STREAM)]
        except OSError as error:
            answer = error
        except UnicodeError:  # of the idna codec
            answer = socket.gaierror(socket.EAI_NONAME, "a part of it is empty or longer than 63 letters")
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(tell, answer)

    threading.Thread(target=work, daemon=True).start()
    return await found
