"""Faults of realms: names, roles, what they may do, users, who comes in without a login."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ionman.routers import shape
from ionman.routers.faults import matches, twice, uri
from ionman.routers.permission import ACTIONS, MATCHES
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]


def realms(router: Entry) -> Iterator[Problem]:
    """All that is wrong with the realms, in their order."""
    if not router["realms"]:
        yield Problem("realms", "there is none", "a router without a realm lets nobody in: describe one")
    yield from twice("realms", [realm["name"] for realm in router["realms"]], "name")
    for number, realm in enumerate(router["realms"]):
        place = f"realms[{number}]"
        yield from matches(f"{place}.name", realm["name"], shape.REALM, "a realm's name", "letters, digits and _.@-")
        yield from _roles(router, realm, place)
        yield from _users(router, realm, place)
        yield from _anonymous(realm, place)
    yield from _joined_names(router)


def _joined_names(router: Entry) -> Iterator[Problem]:
    """Roles are renamed `<role>_<realm>` where an earlier realm has them: those names must be free too."""
    realms_roles = [shape.rendered(router, realm).items() for realm in router["realms"]]
    names = Counter(name for roles in realms_roles for role, name in roles if role != shape.NOBODY)
    for name in sorted(name for name, count in names.items() if count > 1):
        yield Problem("realms", f"two roles would both be {name} on the router", "give one of them another name")


def _roles(router: Entry, realm: Entry, place: str) -> Iterator[Problem]:
    roles = realm.get("roles", ())
    yield from twice(f"{place}.roles", [role["name"] for role in roles], "name")
    of_services = shape.service_roles(router, realm)
    for number, role in enumerate(roles):
        path, name = f"{place}.roles[{number}]", role["name"]
        yield from matches(f"{path}.name", name, shape.ID, "a role's name", "3 to 64 of a-z, 0-9, _, a letter first")
        if name in (shape.OPS, *shape.RESERVED):
            yield Problem(f"{path}.name", f"{name} is built in", "take another name")
        if name in of_services:
            yield Problem(f"{path}.name", f"{name} is the role of the service {of_services[name]}", "take another name")
        for index, entry in enumerate(role.get("permissions", ())):
            yield from _permission(entry, f"{path}.permissions[{index}]")
        entries = [(entry["uri"], entry.get("match", "exact")) for entry in role.get("permissions", ())]
        yield from twice(f"{path}.permissions", entries, "uri")
        if "authorizer" in role:
            yield from _authorizer(router, realm, role["authorizer"], f"{path}.authorizer")


def _permission(entry: Entry, path: str) -> Iterator[Problem]:
    match = entry.get("match", "exact")
    if match not in MATCHES:
        yield Problem(f"{path}.match", f"{match!r} is no way to match", f"take {', '.join(MATCHES)}")
    yield from uri(f"{path}.uri", entry["uri"], match)
    yield from _reserved(entry, path)
    if not entry["allow"]:
        yield Problem(f"{path}.allow", "allows nothing", "take the permission out")
    for number, action in enumerate(entry["allow"]):
        if action not in ACTIONS:
            yield Problem(f"{path}.allow[{number}]", f"{action!r} is no action", f"take {', '.join(ACTIONS)}")


def _reserved(entry: Entry, path: str) -> Iterator[Problem]:
    """What Crossbar refuses to everybody, and what would let a role answer for everybody's rights."""
    offering = [action for action in entry["allow"] if action in ("register", "publish")]
    if not offering:
        return
    if entry["uri"].partition(".")[0] == "wamp":
        remedy = "only Crossbar registers and publishes there: allow call and subscribe"
        yield Problem(f"{path}.allow", f"wamp. cannot be allowed to {' and '.join(offering)}", remedy)
    if _reaches(entry, "ionman.router."):
        remedy = "the router's own procedures are there: write a URI that does not reach them"
        yield Problem(f"{path}.uri", f"would let the role {' and '.join(offering)} ionman.router.", remedy)


def _reaches(entry: Entry, prefix: str) -> bool:
    """Whether something that the entry stands for begins with `prefix`, or the other way round."""
    match entry.get("match", "exact"):
        case "wildcard":
            own = entry["uri"].split(".")
            return all(mine in ("", part) for mine, part in zip(own, prefix.split(".")[:-1], strict=False))
        case _:
            return bool(entry["uri"].startswith(prefix) or prefix.startswith(entry["uri"]))


def _authorizer(router: Entry, realm: Entry, procedure: str, path: str) -> Iterator[Problem]:
    """A dynamic authorizer has to be a procedure that somebody may register."""
    yield from uri(path, procedure)
    if procedure.partition(".")[0] in ("wamp", "ionman"):
        yield Problem(path, f"{procedure} is reserved", "name a procedure of a service of yours")
    elif procedure not in _registered(router, realm):
        remedy = "name a procedure of a service in this realm, or a role that may register just this URI"
        yield Problem(path, f"nobody in this realm may register {procedure}", remedy)


def _registered(router: Entry, realm: Entry) -> Iterable[str]:
    for service in router.get("services", ()):
        if service["realm"] == realm["name"]:
            yield from service["procedures"]
    for role in realm.get("roles", ()):
        for entry in role.get("permissions", ()):
            if "register" in entry["allow"]:
                yield entry["uri"]


def _users(router: Entry, realm: Entry, place: str) -> Iterator[Problem]:
    known = [role["name"] for role in realm.get("roles", ())] + [shape.OPS]
    of_services = shape.service_roles(router, realm)
    for number, user in enumerate(realm.get("users", ())):
        path = f"{place}.users[{number}]"
        yield from account(user, path, "name")
        if user["role"] in of_services and user["role"] not in known:
            remedy = f"the service {of_services[user['role']]} brings its own user"
            yield Problem(f"{path}.role", f"{user['role']} is a service's role", remedy)
        elif user["role"] not in known:
            yield Problem(f"{path}.role", f"there is no role {user['role']}", f"this realm has {', '.join(known)}")


def _anonymous(realm: Entry, place: str) -> Iterator[Problem]:
    known = [role["name"] for role in realm.get("roles", ())]
    role, path = realm.get("anonymous"), f"{place}.anonymous"
    if role == shape.OPS:
        yield Problem(path, "ops is not for everybody", "name a role of yours that everybody may have")
    elif role is not None and role not in known:
        yield Problem(path, f"there is no role {role}", f"this realm has {', '.join(known) or 'none'}")


def account(found: Entry, path: str, name: str) -> Iterator[Problem]:
    """A user's or a service's name and secret."""
    remedy = "letters, digits and _.@-, up to 128"
    yield from matches(f"{path}.{name}", found[name], shape.USER, "a user's name", remedy)
    given = [key for key in ("password", "key", "certificate") if key in found]
    if len(given) != 1:
        both = f"both {' and '.join(given)}" if given else "neither password nor key"
        yield Problem(path, f"{found[name]} has {both}", "give one of them")
    if "key" in found and not shape.PUBLIC_KEY.fullmatch(found["key"]):
        yield Problem(f"{path}.key", "is no public key", "an Ed25519 public key is 64 hex digits, a-f in lower case")
    if "password" in found:
        yield from _unset(found["password"], f"{path}.password")


def _unset(secret: str, path: str) -> Iterator[Problem]:
    """A secret that nobody has filled in: empty, a variable that was not replaced, a vault that was not opened."""
    for pattern, what, remedy in shape.UNSET:
        if pattern.search(secret):
            yield Problem(path, what, remedy)
            return
