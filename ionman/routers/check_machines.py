"""Faults of the listener for machines, and of the users who come in there by a certificate."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ionman.certificates import pem
from ionman.errors import ConfigurationError
from ionman.routers import shape
from ionman.routers.faults import absolute, matches
from ionman.routers.listener import MACHINES_PORT, PORT
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]


def machines(router: Entry) -> Iterator[Problem]:
    """All that is wrong with `machines`, and with the certificates of users."""
    described = router.get("machines")
    if described:
        yield from _listener(router, described)
    seen: dict[str, str] = {}
    for number, realm in enumerate(router["realms"]):
        for index, user in enumerate(realm.get("users", ())):
            if "certificate" in user:
                path = f"realms[{number}].users[{index}].certificate"
                yield from _named(user["certificate"], path, seen, on=bool(described))


def _listener(router: Entry, described: Entry) -> Iterator[Problem]:
    if "ca" not in described:
        yield Problem("machines", "has no ca", "name the PEM file of the authority that signs machines' certificates")
    else:
        yield from absolute("machines.ca", described["ca"])
    port = described.get("port", MACHINES_PORT)
    if port == router.get("port", PORT):
        yield Problem("machines.port", f"{port} is the router's own port", "take another port")


def authorities(data: bytes) -> Iterator[Problem]:
    """What is wrong with the file of those who sign machines' certificates, so that nobody would be let in."""
    try:
        found = pem.bundle(data, "the file")
    except ConfigurationError as error:
        yield Problem("machines.ca", error.message, error.remedy)
        return
    for one in found:
        if not pem.is_authority(one):
            remedy = "take it out: nobody is let in by it"
            yield Problem("machines.ca", f"{pem.subject(one)} may not sign others", remedy)
    if all(one.not_valid_after_utc <= datetime.now(UTC) for one in found):
        yield from ending(data, 0)
    if not any(one.subject == one.issuer for one in found):
        yield Problem("machines.ca", "it holds no root", "add the authority that has signed itself")


def ending(data: bytes, days: int) -> Iterator[Problem]:
    """Which of them have ended, or will in so many `days`. While the authority is changed, an old one may."""
    remedy = "take it out, or renew it: let the file have both until every machine has a new certificate"
    for one in pem.bundle(data, "the file"):
        left = (one.not_valid_after_utc - datetime.now(UTC)).days
        if left < 0:
            yield Problem("machines.ca", f"{pem.subject(one)} expired on {one.not_valid_after_utc:%F}", remedy)
        elif left < days:
            yield Problem("machines.ca", f"{pem.subject(one)} ends in {left} days", remedy)


def _named(name: str, path: str, seen: dict[str, str], *, on: bool) -> Iterator[Problem]:
    remedy = "write one DNS name of the certificate, or its common name: up to 253 letters, digits and _.@-"
    yield from matches(path, name, shape.CERTIFICATE, "a certificate's name", remedy)
    if not on:
        remedy = "describe machines: {ca: FILE}, or give the user a password or a key"
        yield Problem(path, "no listener lets machines in", remedy)
    first = seen.setdefault(name.lower(), path)
    if first != path:
        yield Problem(path, f"{name} is the certificate of another user, at {first}", "one machine, one user")
