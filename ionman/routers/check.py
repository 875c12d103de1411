"""Every fault of a router's description, each with its place and what to do; deeper than `crossbar check` looks."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ionman.routers import people, schema
from ionman.routers.check_realms import realms
from ionman.routers.check_services import accounts, services
from ionman.routers.schema import Problem

__all__ = ["Problem", "check"]

Entry = Mapping[str, Any]
ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


def check(router: Entry) -> list[Problem]:
    """All problems of `router`, in the order of the description; none means that `ionman.router.node` accepts it.

    What cannot be read as described at all is said first, and alone: the rest would follow from it.
    """
    found = [*schema.problems(router)]
    return found or [*_transport(router), *realms(router), *services(router), *accounts(router), *people.check(router)]


def _transport(router: Entry) -> Iterator[Problem]:
    for key in ("certificate", "key"):
        yield from _absolute(key, router[key])
    for number, path in enumerate(router.get("chain", ())):
        yield from _absolute(f"chain[{number}]", path)
    try:
        ipaddress.ip_address(router.get("address", "0.0.0.0"))  # noqa: S104 - looked at, not bound
    except ValueError:
        yield Problem("address", f"{router['address']!r} is no IP address", "0.0.0.0 listens on all of the host's")
    for number, origin in enumerate(router.get("origins", ())):
        if not ORIGIN.fullmatch(origin):
            yield Problem(f"origins[{number}]", f"{origin!r} is no origin", "write https://name or https://name:port")


def _absolute(path: str, value: str) -> Iterator[Problem]:
    if not PurePosixPath(value).is_absolute():
        yield Problem(path, f"{value!r} is no absolute path", "name the file as it lies on the router's host")
