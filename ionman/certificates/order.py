"""What a host asks of an ACME server (RFC 8555), as `/etc/ionman/acme/NAME.json` says it. Pure."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from ionman.errors import ConfigurationError

HTTP, DNS = "http-01", "dns-01"
NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Order:
    """One certificate: `names` (DNS) from `directory`, proven by `challenge`.

    `ca` is a PEM file with the authority of the directory's own TLS; empty: the system's. Of `http-01`: `address` and
    `port` where the answer is given. Of `dns-01`: `hook`, a program that is called with `add` or `remove`, a record's
    name and its text; `wait`, seconds until the world sees the record. `group` may read the key; `bundle` puts the
    chain into the certificate's file; `reload` is a systemd unit that has to look at its files anew.
    """

    name: str
    names: tuple[str, ...]
    directory: str
    email: str = ""
    ca: str = ""
    challenge: str = HTTP
    address: str = ""
    port: int = 80
    hook: str = ""
    wait: float = 30.0
    renew_days: int = 30
    group: str = "root"
    bundle: bool = False
    reload: str = ""


class Obtained(NamedTuple):
    """What an order is answered with, PEM: the leaf, its key, and what is between the leaf and its authority."""

    certificate: bytes
    key: bytes
    chain: bytes

    def __repr__(self) -> str:
        """Without the key."""
        return "Obtained()"


def read(text: str, what: str) -> Order:
    """The order in `text` (JSON); `ConfigurationError` names `what` and every key that is wrong."""
    try:
        document = json.loads(text)
        order = Order(**{**document, "names": tuple(document["names"])})
    except (ValueError, TypeError, KeyError) as error:
        keys = ", ".join(field.name for field in fields(Order))
        raise ConfigurationError(f"{what} is no order: {error}", remedy=f"its keys: {keys}") from error
    problems = [*_problems(order, document)]
    if problems:
        raise ConfigurationError(f"{what}: {'; '.join(problems)}", remedy="correct certificate_acme in the inventory")
    return order


def _problems(order: Order, document: Mapping[str, Any]) -> list[str]:
    found = [
        f"{field.name} is {document[field.name]!r}"
        for field in fields(Order)
        if field.name in document and field.name != "names" and not _fits(document[field.name], field.default)
    ]
    if found:
        return found
    if not NAME.fullmatch(order.name):
        found.append(f"name is {order.name!r}: letters, digits, - and _ only")
    if not order.names:
        found.append("names is empty")
    found += [f"names has the address {one}: this is for DNS names" for one in order.names if _address(one)]
    if not order.directory.startswith("https://"):
        found.append(f"directory is {order.directory!r}: it begins with https://")
    if order.challenge not in (HTTP, DNS):
        found.append(f"challenge is {order.challenge!r}: {HTTP} or {DNS}")
    if order.challenge == DNS and not order.hook.startswith("/"):
        found.append(f"hook is {order.hook!r}: {DNS} needs the path of a program")
    if order.challenge == HTTP and any(one.startswith("*.") for one in order.names):
        found.append(f"a name with a star needs {DNS}")
    return found


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
