"""Who may do what in a realm: what Crossbar is told when it starts, and what it asks for while it runs.

A service's rights change with each release, and Crossbar reads its configuration at its start only. So the rights of
services are in a file that ionman.routers.authorizer answers from, with those of every role that Crossbar would read in
another way (ionman.routers.permission); those of everybody else are in the configuration.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ionman.routers.people import PERSON
from ionman.routers.permission import Permission, exact, listed, plain, prefix, render, settle
from ionman.routers.shape import AUTHORIZER, HOST, NOBODY, OPS, rendered, service_role, service_roles, slug

CONTRACT = "ionman.service."  # prefix of what every service answers beside its own procedures: ping, info, stats, ...
PROCEDURE = "ionman.router.authorize"
LEAVING = "ionman.router.leaving"  # what a router publishes before it stops: everybody may hear it
# What a service needs to know who calls, and whether it is the last callee of a procedure: no more of the meta API.
META = ("wamp.registration.lookup", "wamp.registration.count_callees", PERSON)

Json = dict[str, Any]


def realm_roles(router: Mapping[str, Any], realm: Mapping[str, Any]) -> list[Json]:
    """The roles of `realm` as Crossbar's configuration has them."""
    asked, names = _asked(router, realm), rendered(router, realm)
    procedures = [PROCEDURE], sorted({role["authorizer"] for role in _with_authorizer(realm)})
    return [
        *({"name": names[role], "authorizer": PROCEDURE} for role in sorted(asked)),
        *(_static(names[role], entries) for role, entries in _roles(router, realm).items() if role not in asked),
        {"name": AUTHORIZER, "permissions": [*map(render, _asking(*procedures))]},
        _static(HOST, [*_meta(), prefix("ionman.router.", "call", "register", "publish", "subscribe")]),
    ]


def _asking(answers: list[str], asks: list[str]) -> list[Permission]:
    """What the authorizer itself may do: answer, and ask the authorizers that the description names."""
    return [*exact(answers, "register"), *exact(asks, "call")]


def _static(name: str, entries: Iterable[Permission]) -> Json:
    """A role that Crossbar decides about; it would remember for ever what no entry stands for, so one refuses that."""
    return {"name": name, "permissions": [render(entry) for entry in (prefix(""), *settle(entries))]}


def component(realm: Mapping[str, Any], classname: str, rights: str) -> Json:
    """Crossbar's component that answers for `realm` from the file `rights`."""
    extra = {"rights": rights, "procedure": PROCEDURE}
    return {"type": "class", "classname": classname, "realm": realm["name"], "role": AUTHORIZER, "extra": extra}


def rights(router: Mapping[str, Any]) -> Json:
    """The file that the authorizer reads."""
    return {
        "realms": {realm["name"]: _realm_rights(router, realm) for realm in router["realms"]},
        "authorizers": {realm["name"]: _authorizers(router, realm) for realm in router["realms"]},
    }


def _realm_rights(router: Mapping[str, Any], realm: Mapping[str, Any]) -> Json:
    names = rendered(router, realm)
    return {names[role]: listed(entries) for role, entries in sorted(_asked(router, realm).items())}


def _authorizers(router: Mapping[str, Any], realm: Mapping[str, Any]) -> Json:
    """Role on the router -> who is asked for what its permissions do not allow, and the role's name for that."""
    names = rendered(router, realm)
    found = {
        names[role["name"]]: {"procedure": role["authorizer"], "role": role["name"]} for role in _with_authorizer(realm)
    }
    if (one := realm.get("anonymous")) and (same := found.get(names[one])):
        found[NOBODY] = same
    return found


def _with_authorizer(realm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [role for role in realm.get("roles") or () if "authorizer" in role]


def _asked(router: Mapping[str, Any], realm: Mapping[str, Any]) -> dict[str, list[Permission]]:
    """The roles for which Crossbar asks the authorizer."""
    changing = {*service_roles(router, realm), *(role["name"] for role in _with_authorizer(realm))}
    if realm.get("anonymous") in changing:
        changing.add(NOBODY)
    found = _roles(router, realm).items()
    return {role: all_ for role, all_ in found if role in changing or not (role == OPS or plain(all_))}


def _roles(router: Mapping[str, Any], realm: Mapping[str, Any]) -> dict[str, list[Permission]]:
    """The permissions of all roles of `realm` that somebody on the network can have."""
    roles = {
        role["name"]: [_permission(one) for one in role.get("permissions") or ()] for role in realm.get("roles") or ()
    }
    for service in services(router, realm):
        roles[service_role(service["name"])] = list(_service(service))
    deploy = prefix("ionman.deploy.", "call", "register", "publish", "subscribe")
    roles[OPS] = [*_meta(), deploy]
    if "anonymous" in realm:
        roles[NOBODY] = roles[realm["anonymous"]]
    return {role: [*entries, prefix(LEAVING, "subscribe")] for role, entries in roles.items()}


def _meta() -> list[Permission]:
    """To see what is on the router, and to ask the services how they are."""
    return [prefix("wamp.", "call", "subscribe"), prefix("ionman.", "call", "subscribe")]


def _permission(entry: Mapping[str, Any]) -> Permission:
    return Permission(entry["uri"], entry.get("match", "exact"), frozenset(entry["allow"]))


def _service(service: Mapping[str, Any]) -> Iterator[Permission]:
    registers = {*(service.get("procedures") or ()), *(service.get("kept") or ())}
    yield from exact(sorted(registers), "register")
    yield from exact(service.get("topics") or (), "publish", "subscribe")
    yield from (prefix(uri, "call") for uri in service.get("calls") or ())
    yield from exact(META, "call")
    yield prefix(f"{CONTRACT}{slug(service['name'])}.", "register", "call")


def services(router: Mapping[str, Any], realm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The services of `realm`."""
    return [service for service in router.get("services") or () if service["realm"] == realm["name"]]
