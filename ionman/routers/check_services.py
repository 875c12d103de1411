"""Faults of services, and of the names of all who log in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ionman.routers import shape
from ionman.routers.check_realms import account
from ionman.routers.faults import matches, twice, uri
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]


def services(router: Entry) -> Iterator[Problem]:
    """All that is wrong with the services, in their order."""
    found = router.get("services", ())
    yield from twice("services", [shape.slug(service["name"]) for service in found], "name")
    realms = [realm["name"] for realm in router["realms"]]
    for number, service in enumerate(found):
        path = f"services[{number}]"
        remedy = "a-z first, then a-z, 0-9, _ and -, up to 55"
        yield from matches(f"{path}.name", service["name"], shape.SERVICE, "a service's name", remedy)
        if service["realm"] not in realms:
            yield Problem(f"{path}.realm", f"there is no realm {service['realm']}", f"there is {', '.join(realms)}")
        yield from account(service, path, "user")
        if not service["procedures"] and not service.get("topics"):
            yield Problem(f"{path}.procedures", "declares none, and no topics", "name what the service registers")
        for key in ("procedures", "kept", "topics"):
            yield from _uris(f"{path}.{key}", service.get(key, ()))
        yield from _uris(f"{path}.calls", service.get("calls", ()), "prefix")
    yield from _claimed(found)


def _uris(path: str, uris: Sequence[str], match: str = "exact") -> Iterator[Problem]:
    yield from twice(path, uris, "URI")
    for number, value in enumerate(uris):
        yield from uri(f"{path}[{number}]", value, match)
        if value.partition(".")[0] in ("wamp", "ionman"):
            yield Problem(f"{path}[{number}]", f"{value} is reserved", "name it after the application: app...")


def _claimed(services: Sequence[Entry]) -> Iterator[Problem]:
    """One procedure, one service; what its older releases registered may have moved to another."""
    owners: dict[tuple[str, str], str] = {}
    for number, service in enumerate(services):
        for index, value in enumerate(service["procedures"]):
            owner = owners.setdefault((service["realm"], value), service["name"])
            if owner != service["name"]:
                path = f"services[{number}].procedures[{index}]"
                yield Problem(path, f"{value} is {owner}'s already", "let one service register it")


def accounts(router: Entry) -> Iterator[Problem]:
    """User names count for the whole router: Crossbar has one list of them for all realms."""
    seen: dict[str, str] = {}
    users = [
        (f"realms[{number}].users[{index}].name", user["name"])
        for number, realm in enumerate(router["realms"])
        for index, user in enumerate(realm.get("users", ()))
    ]
    users += [
        (f"services[{number}].user", service["user"]) for number, service in enumerate(router.get("services", ()))
    ]
    for path, name in users:
        if name in seen:
            yield Problem(path, f"there is a user {name} already, at {seen[name]}", "take another name")
        seen.setdefault(name, path)
