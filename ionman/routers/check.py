"""Every fault of a router's description, each with its place and what to do; deeper than `crossbar check` looks."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ionman.routers import people, schema
from ionman.routers.check_links import links
from ionman.routers.check_machines import machines
from ionman.routers.check_realms import realms
from ionman.routers.check_rights import doubtful
from ionman.routers.check_services import accounts, services
from ionman.routers.faults import absolute
from ionman.routers.listener import SERIALIZERS
from ionman.routers.schema import Problem

__all__ = ["Problem", "check", "deep"]

Entry = Mapping[str, Any]
OURS, JSON = "cbor", "json"
ANYWHERE = "0.0.0.0"  # noqa: S104 - looked at, not bound
ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


def check(router: Entry) -> list[Problem]:
    """All problems of `router`, in the order of the description; none means that `ionman.router.node` accepts it.

    What cannot be read as described at all is said first, and alone: the rest would follow from it.
    """
    found = [*schema.problems(router)]
    return found or [problem for part in PARTS for problem in part(router)]


def deep(router: Entry) -> list[Problem]:
    """The same, and where there is none also what would work and is probably not meant."""
    return check(router) or [*doubtful(router)]


def _transport(router: Entry) -> Iterator[Problem]:
    for key in ("certificate", "key"):
        yield from absolute(key, router[key])
    for number, path in enumerate(router.get("chain", ())):
        yield from absolute(f"chain[{number}]", path)
    try:
        ipaddress.ip_address(router.get("address", ANYWHERE))
    except ValueError:
        yield Problem("address", f"{router['address']!r} is no IP address", "0.0.0.0 listens on all of the host's")
    for number, origin in enumerate(router.get("origins", ())):
        if not ORIGIN.fullmatch(origin):
            yield Problem(f"origins[{number}]", f"{origin!r} is no origin", "write https://name or https://name:port")
    yield from _serializers(router)


def _serializers(router: Entry) -> Iterator[Problem]:
    """JSON stalls a router: a small message that is sent before the login can keep it from everybody else."""
    names = router.get("serializers", SERIALIZERS)
    if OURS not in names:
        yield Problem("serializers", f"{OURS} is missing, which services and ionman's callers speak", f"add {OURS}")
    for number, name in enumerate(names):
        place = f"serializers[{number}]"
        if name not in (*SERIALIZERS, JSON):
            yield Problem(place, f"{name!r} is not spoken", f"take {', '.join(SERIALIZERS)}")
        elif name == JSON and not _loopback(router.get("address", ANYWHERE)):
            remedy = f"take {', '.join(SERIALIZERS)}, or an address of loopback (127.0.0.1)"
            yield Problem(place, "JSON on an open listener: any stranger could stall the router with it", remedy)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


PARTS = (_transport, realms, services, accounts, machines, links, people.check)
