"""Where a router is, whom to trust about it, and what is wrong when TLS says no."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from ionman.errors import ConfigurationError

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
