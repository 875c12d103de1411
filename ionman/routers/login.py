"""Who may log in at a router, and how each proves it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from ionman.routers import people
from ionman.routers.credential import salt_for, scram
from ionman.routers.rights import services
from ionman.routers.shape import NOBODY, rendered, service_role

Json = dict[str, Any]


def methods(router: Mapping[str, Any], salt: bytes) -> Json:
    """The methods of authentication and their principals; `salt` is the secret that the users' own are made from."""
    auth: Json = {}
    if any("anonymous" in realm for realm in router["realms"]):
        auth["anonymous"] = {"type": "static", "role": NOBODY}
    if people.on(router):  # ionman.routers.gate asks for who is none of the principals
        auth["scram"] = {"type": "static", "principals": {}}
    for realm, user in _users(router):
        if "certificate" in user:  # they come by a listener of their own
            continue
        role = rendered(router, realm)[user["role"]]
        if "key" in user:
            keys = {"authorized_keys": [user["key"]], "realm": realm["name"], "role": role}
            auth.setdefault("cryptosign", {"type": "static", "principals": {}})["principals"][user["name"]] = keys
        else:
            credential = scram(user["password"], salt_for(salt, realm["name"], user["name"])) | {"role": role}
            auth.setdefault("scram", {"type": "static", "principals": {}})["principals"][user["name"]] = credential
    return auth


def certificates(router: Mapping[str, Any]) -> Json:
    """The one method of machines, by certificate (ionman.routers.machine), and who may use it."""
    principals = {
        user["name"]: {
            "certificate": user["certificate"].lower(),
            "realm": realm["name"],
            "role": rendered(router, realm)[user["role"]],
        }
        for realm, user in _users(router)
        if "certificate" in user
    }
    return {"tls": {"type": "static", "principals": principals}}


def _users(router: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every user with its realm, in order: those of the realm, then the services'."""
    for realm in router["realms"]:
        for user in realm.get("users") or ():
            yield realm, user
        for service in services(router, realm):
            yield realm, {**service, "name": service["user"], "role": service_role(service["name"])}
