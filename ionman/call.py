"""WAMP calls from anywhere: one client that lives on one of several routers, over TLS with the CA verified, in CBOR.

With no reactor, so that it can be used in any process (docs/decisions/0003 and 0012). The deadline is the caller's own:
the router's call timeout is not used, for Crossbar 26.10.1 fires it early and answers it as cancelled.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ionman.calls.asking import Reply
from ionman.calls.client import DEADLINE, Client
from ionman.calls.identity import identity
from ionman.calls.login import Account
from ionman.calls.message import MAX_SENT

__all__ = ["DEADLINE", "Account", "Client", "Reply", "call", "connect"]


def connect(  # noqa: PLR0913 - where, who, what and how long
    routers: Iterable[str],
    *,
    realm: str = "ionman",
    user: str,
    password: str = "",
    key: str = "",
    certificate: Path | str | None = None,
    certificate_key: Path | str | None = None,
    ca: Path | str | None = None,
    deadline: float = DEADLINE,
    idempotent: Iterable[str] = (),
    largest: int = MAX_SENT,
) -> Client:
    """Join the first of `routers` (`host:port`) that lets `user` in, and return the client for calls and all else.

    `key` is an Ed25519 private key in hex, instead of `password`. A machine has neither, but the PEM files
    `certificate` and `certificate_key` (the same one, if not named), for the router's port for machines. `ca` is a PEM
    file; the system's authorities without one. `deadline` is in seconds, for joining, and for each call that names
    none. `idempotent` names what may run twice: URIs, or beginnings that end in `.` or `*`; such a call is made again
    when its answer got lost. `largest` is the routers' max_message_size, in octets.

    Raises `Refused`, `Unavailable`, `ConfigurationError` (ionman.errors).
    """
    account = Account(realm, user, password, key, identity(certificate, certificate_key))
    return Client(routers, account, ca=ca, deadline=deadline, idempotent=idempotent, largest=largest)


def call(  # noqa: PLR0913 - where, who, what and how long
    uri: str,
    argv: Any = None,
    *,
    routers: Iterable[str],
    realm: str,
    user: str,
    password: str = "",
    key: str = "",
    certificate: Path | str | None = None,
    certificate_key: Path | str | None = None,
    ca: Path | str | None = None,
    deadline: float = DEADLINE,
) -> Any:
    """Call `uri` with the one parameter `argv` and return what it answered: `connect` for a single call.

    `deadline` (seconds) is for everything, from the name's resolution to the answer. Raises what `Client.call` does.
    """
    began = time.monotonic()
    account = Account(realm, user, password, key, identity(certificate, certificate_key))
    with Client(routers, account, ca=ca, deadline=deadline) as client:
        left = max(0.01, deadline - (time.monotonic() - began))
        return client.call(uri, *(() if argv is None else (argv,)), deadline=left)
