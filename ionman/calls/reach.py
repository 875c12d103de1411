"""From `host:port` to an open WAMP WebSocket, or to one sentence that says what is in the way."""

import contextlib
import queue
import socket
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from ionman.errors import ConfigurationError, Unavailable

SUBPROTOCOL = Subprotocol("wamp.2.cbor")
MAX_MESSAGE = 1 << 24  # octets, Crossbar's own limit

# OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h) -> what it means here, and what to do
TLS_TROUBLE = {
    9: ("its certificate is not valid yet", "compare the clocks"),
    10: ("its certificate has expired", "renew it: run the certificate playbook"),
    18: ("its certificate is self-signed", "name the file with that certificate, or the right authority, as ca"),
    19: ("its certificate comes from another authority than the CA file's", "name that authority's file as ca"),
    20: ("its certificate comes from another authority than the CA file's", "name that authority's file as ca"),
    62: (
        "its certificate is made out for other names",
        "call it by one of those, or renew it with this one",
    ),
    64: (
        "its certificate is made out for other addresses",
        "call it by one of those, or renew it with this one",
    ),
}


GRACE = 0.2  # s that connect() has to say by itself what was late


@dataclass(frozen=True)
class Router:
    """Where a router listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(address: str, default_port: int = 8443) -> Router:
    """`host`, `host:port` or `[v6]:port` as a `Router`; raises `ConfigurationError` for anything else."""
    host, bracket, rest = address.strip().partition("]")
    if bracket:
        host, port = host.removeprefix("["), rest.removeprefix(":")
    else:
        host, rest, port = host.partition(":")
    good_port = (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not rest
    if not host or any(letter in host for letter in "/ @") or not good_port:
        raise ConfigurationError(f"{address!r} is no router address", remedy="write host:port, as in localhost:8443")
    return Router(host, int(port or default_port))


def trust(ca: Path | None) -> ssl.SSLContext:
    """TLS that trusts the authorities in the file `ca`, or the system's without one."""
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except FileNotFoundError as error:
        raise ConfigurationError(f"the CA file {ca} is not there", remedy="name the authority's PEM file") from error
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"the CA file {ca} cannot be used: {error}", remedy="it has to be PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def open_websocket(router: Router, context: ssl.SSLContext, timeout: float, closing: ExitStack) -> ClientConnection:
    """A WebSocket to `router` that speaks WAMP in CBOR, closed by `closing`; `Unavailable` says why there is none.

    `timeout` (seconds) is for the whole way: name, TCP, TLS, WebSocket.
    """
    try:
        return _connect(router, context, timeout, closing)
    except ssl.SSLCertVerificationError as error:
        known = TLS_TROUBLE.get(error.verify_code, (f"its certificate is refused: {error.verify_message}", ""))
        raise Unavailable(f"{router} is not trusted: {known[0]}", remedy=known[1]) from error
    except ssl.SSLError as error:
        remedy = "is this the router's TLS port?"
        raise Unavailable(f"{router} does not speak TLS ({error.reason or error})", remedy=remedy) from error
    except socket.gaierror as error:
        remedy = "look for a typing error, or at the resolver"
        raise Unavailable(f"the name {router.host} is not resolved: {error.strerror}", remedy=remedy) from error
    except ConnectionRefusedError as error:
        remedy = "start the router, or look at the port"
        raise Unavailable(f"{router} refuses connections: nothing listens there", remedy=remedy) from error
    except TimeoutError as error:
        remedy = "look at the router, at firewalls, and at the address"
        raise Unavailable(f"{router} did not answer within {timeout:.1f} s", remedy=remedy) from error
    except InvalidStatus as error:
        remedy = "the router may still be starting; else look at the port"
        status = error.response.status_code
        raise Unavailable(f"{router} has no WAMP at /ws (HTTP status {status})", remedy=remedy) from error
    except (InvalidHandshake, EOFError, OSError) as error:
        remedy = "is this a router, and not full?"
        raise Unavailable(f"{router} ended the connection before it was open ({error})", remedy=remedy) from error


def _connect(router: Router, context: ssl.SSLContext, timeout: float, closing: ExitStack) -> ClientConnection:
    sock = _tcp(router, timeout)
    # connect() waits for ever for a router that takes the request and says nothing: its open_timeout ends only its own
    # wait, not that of its reading thread. A connection that is shut down ends both.
    same = sock.dup()
    late = threading.Timer(timeout + GRACE, _shut, [same])
    late.daemon = True
    late.start()
    try:
        return closing.enter_context(_opening(router, context, sock, timeout))
    finally:
        late.cancel()
        same.close()


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may have ended meanwhile
        sock.shutdown(socket.SHUT_RDWR)


def _opening(router: Router, context: ssl.SSLContext, sock: socket.socket, timeout: float) -> ClientConnection:
    return connect(
        f"wss://{router}/ws",
        sock=sock,
        ssl=context,
        server_hostname=router.host,
        subprotocols=[SUBPROTOCOL],
        compression=None,
        proxy=None,
        open_timeout=timeout,
        close_timeout=1,
        ping_interval=None,
        max_size=MAX_MESSAGE,
        user_agent_header=None,
    )


def _tcp(router: Router, timeout: float) -> socket.socket:
    """A TCP connection to the first address of `router` that takes one."""
    ends = time.monotonic() + timeout
    refused: OSError = OSError(f"{router.host} has no address")
    for family, kind, protocol, _, address in _addresses(router, timeout):
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max(0.01, ends - time.monotonic()))
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            refused = error
        else:
            return connection
    raise refused


def _addresses(router: Router, timeout: float) -> list[tuple[Any, ...]]:
    """What the name stands for. getaddrinfo(3) knows no deadline, so it runs in a thread that may outlive this call."""
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | OSError] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put([*socket.getaddrinfo(router.host, router.port, type=socket.SOCK_STREAM)])
        except OSError as error:
            answers.put(error)
        except UnicodeError:  # of the idna codec
            answers.put(socket.gaierror(socket.EAI_NONAME, "a part of it is empty or longer than 63 letters"))

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {timeout:.1f} s") from None
    if isinstance(answer, OSError):
        raise answer
    return answer
