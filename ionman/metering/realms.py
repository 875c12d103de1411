"""Asks this host's router, through its door, who is there, and calls every service through it."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ionman.calls.client import Client
from ionman.errors import IonmanError, WampError
from ionman.hosts import door
from ionman.hosts.layout import Layout
from ionman.metrics import Check, Realm
from ionman.naming import probe
from ionman.routers.rights import CONTRACT

SECONDS = 5.0  # for the whole of a realm
NOBODY = "wamp.error.no_such_procedure"
LINKS = "ionman.router.links"  # ionman.routers.linking


@dataclass(frozen=True)
class Known:
    """What a realm's configuration says: its roles, and the services that may register in it."""

    name: str
    roles: tuple[str, ...] = ()
    services: tuple[str, ...] = ()


def known(node: Mapping[str, Any], rights: Mapping[str, Any]) -> list[Known]:
    """The realms of a router's files (`ionman.router.files`): Crossbar's configuration and the services' rights."""
    return [
        Known(
            realm["name"],
            tuple(role["name"] for role in realm["roles"]),
            tuple(_services(rights.get("realms", {}).get(realm["name"], {}))),
        )
        for worker in node["workers"]
        for realm in worker.get("realms", ())
    ]


def _services(roles: Mapping[str, Any]) -> Iterable[str]:
    """The services, in the letters of a URI: each may register below a prefix of its own."""
    for entries in roles.values():
        for entry in entries:
            uri = entry["uri"]
            if entry["match"] == "prefix" and uri.startswith(CONTRACT) and "register" in entry["allow"]:
                yield uri.removeprefix(CONTRACT).rstrip(".")


@dataclass
class Doors:
    """Sessions with the router, one for each realm, that stay: a session each time would be in its log each time."""

    layout: Layout
    _clients: dict[str, Client] = field(default_factory=dict)

    def client(self, realm: str) -> Client:
        """The session of `realm`; raises `IonmanError` while there is none."""
        if realm not in self._clients:
            self._clients[realm] = door.enter(self.layout, realm, SECONDS)
        return self._clients[realm]

    def close(self, realm: str = "") -> None:
        """Leave `realm`, or all of them."""
        for name in [realm] if realm else list(self._clients):
            if name in self._clients:
                self._clients.pop(name).close()


def look(client: Client, realm: Known) -> Realm:
    """Who is in `realm`. Raises `IonmanError`."""
    counts = {role: client.submit("wamp.session.count", [role], deadline=SECONDS) for role in realm.roles}
    links = client.submit(LINKS, deadline=SECONDS)
    numbers = client.call("wamp.registration.list", deadline=SECONDS)
    there = [number for kind in numbers.values() for number in kind]
    uris = {number: client.submit("wamp.registration.get", number, deadline=SECONDS) for number in there}
    callees = {number: client.submit("wamp.registration.count_callees", number, deadline=SECONDS) for number in there}
    found = {}
    for number, reply in uris.items():
        try:
            uri = reply.result()["uri"]
            count = callees[number].result()
        except IonmanError:  # gone meanwhile, or one that nobody may ask about
            continue
        if _shared(uri):
            found[uri] = count
    sessions = {role: reply.result() for role, reply in counts.items()}
    return Realm(realm.name, sessions, found, _links(links))


def _links(reply: Any) -> Mapping[str, Any]:
    """How the links to other routers are; none where there are none."""
    try:
        told: Mapping[str, Any] = reply.result()["links"]
    except WampError as error:
        if error.uri != NOBODY:
            raise
        return {}
    return told


def _shared(uri: str) -> bool:
    """Whether it is a procedure of a service, and not one that each instance has for itself, or the router."""
    if uri.startswith(CONTRACT):
        return uri.endswith(".probe")
    return not uri.startswith(("wamp.", "crossbar.", "ionman.router."))


def call(client: Client, services: Iterable[str]) -> list[Check]:
    """Call each of `services` through the router, all at once."""
    began = time.monotonic()
    replies = {name: client.submit(probe(name), {"n": 0}, deadline=SECONDS) for name in services}
    return [_check(name, reply, began) for name, reply in replies.items()]


def _check(service: str, reply: Any, began: float) -> Check:
    ended = []
    reply.add_done_callback(lambda _: ended.append(time.monotonic()))
    try:
        reply.result()
    except IonmanError as error:
        why = "nobody has registered it" if getattr(error, "uri", "") == NOBODY else error.message
        return Check(service, "door", why)
    return Check(service, "door", seconds=(ended[0] if ended else time.monotonic()) - began)
