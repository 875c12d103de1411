"""Every fault of a router's description, each with its place and what to do; deeper than `crossbar check` looks."""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ionman.routers import schema, shape
from ionman.routers.permission import ACTIONS
from ionman.routers.schema import Problem

__all__ = ["Problem", "check"]

Entry = Mapping[str, Any]
ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


def check(router: Entry) -> list[Problem]:
    """All problems of `router`, in the order of the description; none means that `ionman.router.node` accepts it.

    What cannot be read as described at all is said first, and alone: the rest would follow from it.
    """
    return [*schema.problems(router)] or [*_transport(router), *_realms(router), *_services(router), *_accounts(router)]


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


def _realms(router: Entry) -> Iterator[Problem]:
    realms = router["realms"]
    if not realms:
        yield Problem("realms", "there is none", "a router without a realm lets nobody in: describe one")
    yield from _twice("realms", [realm["name"] for realm in realms], "name")
    for number, realm in enumerate(realms):
        place = f"realms[{number}]"
        yield from _matches(f"{place}.name", realm["name"], shape.REALM, "a realm's name", "letters, digits and _.@-")
        yield from _roles(router, realm, place)
        yield from _users(router, realm, place)
    yield from _joined_names(router)


def _joined_names(router: Entry) -> Iterator[Problem]:
    """Roles are renamed `<role>_<realm>` where an earlier realm has them: those names must be free too."""
    names = Counter(name for realm in router["realms"] for name in shape.rendered(router, realm).values())
    for name in sorted(name for name, count in names.items() if count > 1):
        yield Problem("realms", f"two roles would both be {name} on the router", "give one of them another name")


def _roles(router: Entry, realm: Entry, place: str) -> Iterator[Problem]:
    roles = realm.get("roles", ())
    yield from _twice(f"{place}.roles", [role["name"] for role in roles], "name")
    of_services = shape.service_roles(router, realm)
    for number, role in enumerate(roles):
        path, name = f"{place}.roles[{number}]", role["name"]
        yield from _matches(f"{path}.name", name, shape.ID, "a role's name", "3 to 64 of a-z, 0-9, _, a letter first")
        if name in (shape.OPS, *shape.RESERVED):
            yield Problem(f"{path}.name", f"{name} is built in", "take another name")
        if name in of_services:
            yield Problem(f"{path}.name", f"{name} is the role of the service {of_services[name]}", "take another name")
        for index, entry in enumerate(role.get("permissions", ())):
            yield from _permission(entry, f"{path}.permissions[{index}]")
        entries = [(entry["uri"], entry.get("match", "exact")) for entry in role.get("permissions", ())]
        yield from _twice(f"{path}.permissions", entries, "uri")


def _permission(entry: Entry, path: str) -> Iterator[Problem]:
    match entry.get("match", "exact"):
        case "exact":
            yield from _uri(f"{path}.uri", entry["uri"], shape.URI)
        case "prefix":
            yield from _uri(f"{path}.uri", entry["uri"], shape.URI_PREFIX)
        case "wildcard":
            remedy = "use exact or prefix: Crossbar keeps one wildcard for each leading part and lets it beat prefixes"
            yield Problem(f"{path}.match", "wildcard is not offered", remedy)
        case other:
            yield Problem(f"{path}.match", f"{other!r} is no way to match", "take exact or prefix")
    if entry["uri"].startswith("wamp.") or entry["uri"] == "wamp":
        yield Problem(f"{path}.uri", "the meta API belongs to the role ops", "give the user that role")
    if not entry["allow"]:
        yield Problem(f"{path}.allow", "allows nothing", "take the permission out")
    for number, action in enumerate(entry["allow"]):
        if action not in ACTIONS:
            yield Problem(f"{path}.allow[{number}]", f"{action!r} is no action", f"take {', '.join(ACTIONS)}")


def _users(router: Entry, realm: Entry, place: str) -> Iterator[Problem]:
    known = [role["name"] for role in realm.get("roles", ())] + [shape.OPS]
    of_services = shape.service_roles(router, realm)
    for number, user in enumerate(realm.get("users", ())):
        path = f"{place}.users[{number}]"
        yield from _account(user, path, "name")
        if user["role"] in of_services and user["role"] not in known:
            remedy = f"the service {of_services[user['role']]} brings its own user"
            yield Problem(f"{path}.role", f"{user['role']} is a service's role", remedy)
        elif user["role"] not in known:
            yield Problem(f"{path}.role", f"there is no role {user['role']}", f"this realm has {', '.join(known)}")


def _account(account: Entry, path: str, name: str) -> Iterator[Problem]:
    remedy = "letters, digits and _.@-, up to 128"
    yield from _matches(f"{path}.{name}", account[name], shape.USER, "a user's name", remedy)
    if ("password" in account) == ("key" in account):
        found = "both password and key" if "key" in account else "neither password nor key"
        yield Problem(path, f"{account[name]} has {found}", "give one of them")
    if account.get("password") == "":
        yield Problem(f"{path}.password", "is empty", "give one, from the vault")
    if "key" in account and not shape.PUBLIC_KEY.fullmatch(account["key"]):
        yield Problem(f"{path}.key", "is no public key", "an Ed25519 public key is 64 hex digits, a-f in lower case")


def _services(router: Entry) -> Iterator[Problem]:
    services = router.get("services", ())
    yield from _twice("services", [shape.slug(service["name"]) for service in services], "name")
    realms = [realm["name"] for realm in router["realms"]]
    for number, service in enumerate(services):
        path = f"services[{number}]"
        remedy = "a-z first, then a-z, 0-9, _ and -, up to 55"
        yield from _matches(f"{path}.name", service["name"], shape.SERVICE, "a service's name", remedy)
        if service["realm"] not in realms:
            yield Problem(f"{path}.realm", f"there is no realm {service['realm']}", f"there is {', '.join(realms)}")
        yield from _account(service, path, "user")
        if not service["procedures"] and not service.get("topics"):
            yield Problem(f"{path}.procedures", "declares none, and no topics", "name what the service registers")
        for key in ("procedures", "kept", "topics"):
            yield from _uris(f"{path}.{key}", service.get(key, ()), shape.URI)
        yield from _uris(f"{path}.calls", service.get("calls", ()), shape.URI_PREFIX)
    yield from _overlaps(services)


def _uris(path: str, uris: Sequence[str], pattern: re.Pattern[str]) -> Iterator[Problem]:
    yield from _twice(path, uris, "URI")
    for number, uri in enumerate(uris):
        yield from _uri(f"{path}[{number}]", uri, pattern)
        if uri.partition(".")[0] in ("wamp", "ionman"):
            yield Problem(f"{path}[{number}]", f"{uri} is reserved", "name it after the application: app...")


def _overlaps(services: Sequence[Entry]) -> Iterator[Problem]:
    """One procedure, one service; what its older releases registered may have moved to another."""
    owners: dict[tuple[str, str], str] = {}
    for number, service in enumerate(services):
        for index, uri in enumerate(service["procedures"]):
            owner = owners.setdefault((service["realm"], uri), service["name"])
            if owner != service["name"]:
                path = f"services[{number}].procedures[{index}]"
                yield Problem(path, f"{uri} is {owner}'s already", "let one service register it")


def _accounts(router: Entry) -> Iterator[Problem]:
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


def _uri(path: str, uri: str, pattern: re.Pattern[str]) -> Iterator[Problem]:
    if pattern.fullmatch(uri):
        return
    if pattern is shape.URI_PREFIX:
        yield Problem(path, f"{uri!r} is no prefix", "write parts of a-z, 0-9, _, each with its dot: app. or app.demo.")
    else:
        yield Problem(path, f"{uri!r} is no URI", "write parts of a-z, 0-9, _ with dots between: app.demo.method1")


def _matches(path: str, value: str, pattern: re.Pattern[str], what: str, remedy: str) -> Iterator[Problem]:
    if not pattern.fullmatch(value):
        yield Problem(path, f"{value!r} is not {what}", remedy)


def _twice(path: str, values: Iterable[Any], what: str) -> Iterator[Problem]:
    seen = set()
    for number, value in enumerate(values):
        if value in seen:
            shown = value[0] if isinstance(value, tuple) else value
            yield Problem(f"{path}[{number}]", f"the {what} {shown} is there twice", "keep one")
        seen.add(value)
