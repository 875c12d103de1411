"""People who are not in the inventory, as the router sees them: what asks for them, which roles they may have. Pure.

`ionman.routers.gate` runs in Crossbar for each realm, whether there are such people or not: it counts failed logins.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ionman.routers.credential import MEMORY_KIB, PASSES
from ionman.routers.permission import exact, render
from ionman.routers.schema import Problem
from ionman.routers.shape import OPS, UNSET, rendered

# As ionman.routers.gate has them, which imports nothing of ours.
ACCOUNT, PERSON, END = "ionman.router.account", "ionman.router.person", "ionman.router.end"
GATE = "ionman.gate"  # the role of the gate: its dot keeps it apart from every role of a description
SQLITE = "sqlite"  # a file on the router's host
POSTGRESQL = re.compile(r"postgresql://[^/\s@]+@[^/\s@]+/[^/\s?]+(\?\S*)?")

Json = dict[str, Any]


def check(router: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with `users`. The database's address may hold a password: it is not repeated."""
    database = (router.get("users") or {}).get("database", SQLITE)
    if database != SQLITE and not POSTGRESQL.fullmatch(database):
        yield Problem("users.database", "is no database", "sqlite, or postgresql://user:password@host/name")
    if database == SQLITE and on(router) and (router.get("links") or {}).get("peers"):
        remedy = "let all routers share one: postgresql://user:password@host/name"
        yield Problem("users.database", "each router's host would keep users of its own", remedy)
    for pattern, what, remedy in UNSET:
        if pattern.search(database):
            yield Problem("users.database", what, remedy)


def on(router: Mapping[str, Any]) -> bool:
    """Whether there are people beyond the inventory."""
    return bool(router.get("users"))


def realms(router: Mapping[str, Any]) -> dict[str, list[str]]:
    """The roles that people may have in each realm: those of the description, and ops; none that is a service's."""
    return {realm["name"]: [*(role["name"] for role in realm.get("roles") or ()), OPS] for realm in router["realms"]}


def taken(router: Mapping[str, Any]) -> list[str]:
    """The names that the inventory gives to users and services: on a router each counts once, for all realms."""
    users = (user["name"] for realm in router["realms"] for user in realm.get("users") or ())
    return sorted({*users, *(service["user"] for service in router.get("services") or ())})


def role() -> Json:
    """The gate's own role, in each realm."""
    permissions = [*exact([PERSON, END], "register"), *exact([ACCOUNT], "call")]
    return {"name": GATE, "permissions": [render(one) for one in permissions]}


def component(router: Mapping[str, Any], realm: Mapping[str, Any], classname: str, salt: bytes) -> Json:
    """Crossbar's component that is the gate of `realm`; `salt` is the secret that the users' own are made from."""
    names = rendered(router, realm)
    extra = {
        "people": on(router),
        "taken": taken(router) if on(router) else [],
        "roles": {name: names[name] for name in realms(router)[realm["name"]]} if on(router) else {},
        "secret": hmac.digest(salt, b"gate", "sha256").hex(),
        "costs": {"kdf": "argon2id-13", "iterations": PASSES, "memory": MEMORY_KIB},
    }
    return {"type": "class", "classname": classname, "realm": realm["name"], "role": GATE, "extra": extra}
