"""Where a router is, and whom to trust about it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from ionman.calls.identity import Identity
from ionman.certificates.fresh import Fresh
from ionman.errors import ConfigurationError

UNIX = "unix:"


@dataclass(frozen=True)
class Router:
    """Where a router listens; `path` is that of a socket on this host, without TLS."""

    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"{UNIX}{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(address: str, default_port: int = 8443) -> Router:
    """`host`, `host:port`, `[v6]:port` or `unix:/path` as a `Router`; `ConfigurationError` for anything else."""
    if address.startswith(UNIX):
        return Router("localhost", 0, address.removeprefix(UNIX))
    host, bracket, rest = address.strip().partition("]")
    if bracket:
        host, port = host.removeprefix("["), rest.removeprefix(":")
    else:
        host, rest, port = host.partition(":")
    good_port = (port.isascii() and port.isdigit() and 0 < int(port) < 65536) or not rest
    if not host or any(letter in host for letter in "/ @") or not good_port:
        raise ConfigurationError(f"{address!r} is no router address", remedy="write host:port, as in localhost:8443")
    return Router(host, int(port or default_port))


class Trust:
    """The authorities that are trusted: those in the file `ca` as it is when a connection is made, or the system's.

    A machine that logs in by a certificate has it shown: `own`, and that too as it is then.
    Raises `ConfigurationError` for a file that cannot be used at first.
    """

    def __init__(self, ca: Path | None, own: Identity | None = None) -> None:
        files = (own.certificate, own.key) if own else ()
        self._context = Fresh(ca, lambda: _context(ca, own), *files)

    def context(self) -> ssl.SSLContext:
        """TLS that trusts them."""
        return self._context.now()


def _context(ca: Path | None, own: Identity | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except FileNotFoundError as error:
        raise ConfigurationError(f"the CA file {ca} is not there", remedy="name the authority's PEM file") from error
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"the CA file {ca} cannot be used: {error}", remedy="it has to be PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if own:
        own.load(context)
    return context
