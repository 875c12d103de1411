"""A description for the matrix: two realms with the same role names and other rights, written down in all ways."""

import random
from typing import Any

from nacl.signing import SigningKey

from ionman.calls.login import Account

REALMS = ("ionman", "other")
RANDOM_ROLES = 10  # in each realm, beside those that are written down here
NAMED: dict[str, list[tuple[str, str, str]]] = {
    # exact URIs beside prefixes and wildcards of all kinds, which Crossbar would let hide each other
    "client": [("app.", "prefix", "call subscribe")],
    "caller": [("app.demo.get", "exact", "call subscribe")],
    "mixed": [
        ("app.", "prefix", "call"),
        ("app.demo.get", "exact", "register subscribe"),
        ("app.x.", "prefix", "publish"),
    ],
    "wild": [
        ("app..get", "wildcard", "call register"),
        ("app.demo.", "wildcard", "subscribe"),
        ("app.x.", "prefix", "publish"),
    ],
    "wilder": [
        ("app..get", "wildcard", "call"),
        ("app..", "wildcard", "publish"),
        ("app.demo.get", "exact", "register"),
    ],
    "worker": [("app.", "prefix", "register call publish subscribe")],
    "watcher": [("wamp.session.", "prefix", "call subscribe"), ("wamp.registration.list", "exact", "call")],
    "nothing": [],
}


def random_role(chance: random.Random) -> list[tuple[str, str, str]]:
    """Up to four entries of few parts, so that they meet."""
    found = {}
    for _ in range(chance.randint(1, 4)):
        parts = [chance.choice(("demo", "x", "get")) for _ in range(chance.randint(1, 3))]
        match = chance.choice(("exact", "prefix", "wildcard"))
        if match == "wildcard":
            parts[chance.randrange(len(parts))] = ""
        uri = ".".join(("app", *parts)) + ("." if match == "prefix" else "")
        actions = chance.sample(("call", "register", "publish", "subscribe"), chance.randint(1, 4))
        found[uri, match] = (uri, match, " ".join(actions))
    return list(found.values())


def permissions(entries: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [{"uri": uri, "match": match, "allow": allow.split()} for uri, match, allow in entries]


def service(name: str, realm: str, **more: list[str]) -> dict[str, Any]:
    user = f"{name}_{realm}"
    return {"name": name, "realm": realm, "user": user, "key": public(user), "procedures": [], "topics": [], **more}


def key(user: str) -> SigningKey:
    return SigningKey((user.encode() + bytes(32))[:32])


def public(user: str) -> str:
    return key(user).verify_key.encode().hex()


def described(seed: int) -> dict[str, Any]:
    """Realms with the same role names, each with its own rights; `anonymous` in the first one only."""
    chance = random.Random(seed)
    realms = []
    for realm in REALMS:
        roles = {f"random_{number}": random_role(chance) for number in range(RANDOM_ROLES)} | NAMED
        if realm == "other":
            roles["client"], roles["nothing"] = roles["nothing"], roles["client"]
        users = [{"name": f"{role}_{realm}", "role": role} for role in (*roles, "ops")]
        realms.append(
            {
                "name": realm,
                "roles": [{"name": role, "permissions": permissions(entries)} for role, entries in roles.items()],
                "users": [{**user, "key": public(user["name"])} for user in users],
            }
        )
    realms[0]["anonymous"] = "caller"
    services = [
        service("demo", "ionman", procedures=["app.demo.get"], topics=["app.demo.news"], calls=["app.", "ionman."][:1]),
        service("demo_2", "ionman", procedures=["app.get"], kept=["app.x.get"], calls=["app.demo."]),
        service("third", "other", procedures=["app.demo.get"], topics=["app.demo.news"]),
    ]
    return {"realms": realms, "services": services}


def people(declared: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(realm, role, user) of everybody, without those who have no name."""
    users = [(realm["name"], user["role"], user["name"]) for realm in declared["realms"] for user in realm["users"]]
    return users + [(one["realm"], f"service_{one['name']}", one["user"]) for one in declared["services"]]


def account(realm: str, user: str) -> Account:
    return Account(realm, user, key=key(user).encode().hex())
