"""What a router's description names on the router's host, looked at where it lies: files, the port, the account."""

import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman import certificate
from ionman.hosts import port
from ionman.routers.check_machines import authorities, ending
from ionman.routers.listener import MACHINES_PORT, PORT
from ionman.routers.schema import Problem

ANYWHERE = "0.0.0.0"  # noqa: S104 - looked at, not bound
WARNED_DAYS = 14  # a certificate that ends sooner was not renewed in time
ROOT = "root"
LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")  # ip(7)

Entry = Mapping[str, Any]


def look(router: Entry, ca: Path | None = None) -> list[Problem]:
    """What is wrong with the TLS files and the page of a description that `check` accepts.

    With `ca` (PEM) also whether the certificate leads to it. Crossbar itself finds these only when it starts.
    """
    places = {"certificate": router["certificate"], "key": router["key"]}
    places |= {f"chain[{number}]": path for number, path in enumerate(router.get("chain") or ())}
    if router.get("links"):
        places["links.ca"] = router["links"]["ca"]
    if router.get("machines"):
        places["machines.ca"] = router["machines"]["ca"]
    found: dict[str, bytes] = {}
    problems = []
    for place, path in places.items():
        try:
            found[place] = Path(path).read_bytes()
        except OSError as error:
            problems.append(Problem(place, f"{path} cannot be read: {error.strerror}", "look at its name and its mode"))
    if "page" in router and not Path(router["page"], "index.html").is_file():
        problems.append(Problem("page", f"there is no index.html in {router['page']}", "name the page's directory"))
    if problems:
        return problems
    chain = [data for place, data in found.items() if place.startswith("chain")]
    roots = ca.read_bytes() if ca else None
    faults = certificate.verify(found["certificate"], found["key"], chain=chain, ca=roots)
    problems = [Problem("certificate", fault) for fault in faults]
    return [*problems, *(authorities(found["machines.ca"]) if "machines.ca" in found else ())]


def look_closer(router: Entry, account: str) -> Iterator[Problem]:
    """What is probably not meant with files that `look` accepts, and whether the port can be had by `account`."""
    yield from _leaf(router)
    if Path(router["key"]).stat().st_mode & stat.S_IROTH:
        yield Problem(
            "key", f"{router['key']} can be read by everybody on this host", "chmod o-r it, and renew the key"
        )
    address = router.get("address", ANYWHERE)
    yield from _port("port", address, router.get("port", PORT), account)
    if machines := router.get("machines"):
        yield from ending(Path(machines["ca"]).read_bytes(), WARNED_DAYS)
        for problem in _port("machines.port", address, machines.get("port", MACHINES_PORT), account):
            if problem.path != "address":  # which has been said
                yield problem


def _port(place: str, address: str, number: int, account: str) -> Iterator[Problem]:
    """What keeps `account` from listening there."""
    if account != ROOT and reserved(number):
        text = f"{number} is for root: the router runs as {account}"
        yield Problem(place, text, f"take one from {LOWEST.read_text().strip()} up")
    try:
        taken = not port.free(address, number)
    except OSError as error:
        yield Problem(
            "address", f"nobody can listen on {address} here: {error.strerror}", "name an address of this host"
        )
        return
    if taken and port.account(number) != account:
        text = f"{number} is taken already, by {port.holder(number)}"
        yield Problem(place, text, "stop that, or take another port")


def reserved(number: int) -> bool:
    """Whether only root may listen on the port `number`."""
    return number < int(LOWEST.read_text())


def _leaf(router: Entry) -> Iterator[Problem]:
    leaf, key = Path(router["certificate"]).read_bytes(), Path(router["key"]).read_bytes()
    chain = [Path(path).read_bytes() for path in router.get("chain") or ()]
    for fault in certificate.verify(leaf, key, chain=chain, wanted=router.get("names") or ()):
        yield Problem("certificate", fault)
    days = (certificate.expiry(leaf) - datetime.now(UTC)).days
    if days < WARNED_DAYS:
        yield Problem("certificate", f"it ends in {days} days", "renew it: run the certificate playbook")
