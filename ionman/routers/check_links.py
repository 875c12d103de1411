"""Faults of links between routers. They carry events and nothing else: a call over a link can go round for ever."""

from collections.abc import Iterator, Mapping
from typing import Any

from ionman.calls.reach import parse
from ionman.errors import ConfigurationError
from ionman.routers import shape
from ionman.routers.faults import absolute, twice
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]
SHORT = 16  # characters: the links' key is made from the secret, by a function that is quick to try


def links(router: Entry) -> Iterator[Problem]:
    """All that is wrong with `links`, in its order."""
    found = router.get("links")
    if not found:
        return
    yield from _secret(found["secret"])
    yield from absolute("links.ca", found["ca"])
    peers = found.get("peers", ())
    yield from twice("links.peers", [peer["name"] for peer in peers], "name")
    yield from twice("links.peers", [peer["address"] for peer in peers], "address")
    for number, peer in enumerate(peers):
        yield from _peer(peer, found["name"], f"links.peers[{number}]")


def _secret(secret: str) -> Iterator[Problem]:
    for pattern, what, remedy in shape.UNSET:
        if pattern.search(secret):
            yield Problem("links.secret", what, remedy)
            return
    if len(secret) < SHORT:
        yield Problem("links.secret", f"is shorter than {SHORT} characters", "make one: openssl rand -hex 32")


def _peer(peer: Entry, own: str, path: str) -> Iterator[Problem]:
    if peer["name"] == own:
        yield Problem(f"{path}.name", f"{own} is this router itself", "name the other routers only")
    try:
        parsed = parse(peer["address"])
    except ConfigurationError as error:
        yield Problem(f"{path}.address", error.message, error.remedy)
        return
    if parsed.path:
        yield Problem(f"{path}.address", f"{peer['address']} is a socket", "write host:port")
