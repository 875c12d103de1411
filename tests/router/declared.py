"""What a router's description says that each role may do, read from docs/router.md and not from ionman's own code."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Described = Mapping[str, Any]
Entry = tuple[str, str, tuple[str, ...]]  # uri, match, actions

FRESH = "zz9"  # a part that no description has: what is allowed with it is allowed with any
ALL = ("call", "register", "publish", "subscribe")
SEES: list[Entry] = [("wamp.", "prefix", ("call", "subscribe")), ("ionman.", "prefix", ("call", "subscribe"))]
BUILT_IN: dict[str, list[Entry]] = {
    "ops": [*SEES, ("ionman.deploy.", "prefix", ALL)],
    "host": [*SEES, ("ionman.router.", "prefix", ALL)],
}
EVERYBODY: Entry = ("ionman.router.leaving", "prefix", ("subscribe",))


def may(router: Described, realm: str, role: str, action: str, uri: str, match: str) -> bool:
    """Whether the description lets `role` of `realm` do that: one entry has to stand for all that the request does."""
    if (action in ("register", "publish") and uri.startswith("wamp.")) or not valid(uri, match):
        return False  # Crossbar's own, whatever is declared
    meant = [*witnesses(uri, match)]
    return any(
        action in actions and all(stands_for(entry, how, one) for one in meant)
        for entry, how, actions in entries(router, realm, role)
    )


def valid(uri: str, match: str) -> bool:
    """Whether WAMP's loose rule takes it."""
    parts = uri.split(".")
    return match == "wildcard" or all(parts[:-1] if match == "prefix" else parts)


def witnesses(uri: str, match: str) -> Iterator[str]:
    """URIs that the request stands for, such that who may have these may have all."""
    match match:
        case "exact":
            yield uri
        case "prefix":
            yield from (f"{uri}{FRESH}", f"{uri}{FRESH}.{FRESH}.{FRESH}.{FRESH}")
        case _:
            yield ".".join(part or FRESH for part in uri.split("."))


def stands_for(uri: str, match: str, one: str) -> bool:
    """Whether an entry stands for the URI `one`."""
    match match:
        case "exact":
            return one == uri
        case "prefix":
            return one.startswith(uri)
        case _:
            return re.fullmatch(r"\.".join(re.escape(part) or r"[^.]+" for part in uri.split(".")), one) is not None


def entries(router: Described, realm: str, role: str) -> Iterator[Entry]:
    """All that is declared of a role."""
    yield EVERYBODY
    yield from BUILT_IN.get(role, ())
    for one in router["realms"]:
        for each in one["roles"] if one["name"] == realm else ():
            if each["name"] == role:
                yield from (
                    (entry["uri"], entry.get("match", "exact"), tuple(entry["allow"]))
                    for entry in each.get("permissions", ())
                )
    for service in router["services"]:
        if service["realm"] == realm and role == f"service_{service['name']}":
            yield from of_service(service)


def of_service(service: Described) -> Iterator[Entry]:
    """All that is declared of a service."""
    for uri in (*service["procedures"], *service.get("kept", ())):
        yield uri, "exact", ("register",)
    for uri in service.get("topics", ()):
        yield uri, "exact", ("publish", "subscribe")
    for uri in service.get("calls", ()):
        yield uri, "prefix", ("call",)
    yield f"ionman.service.{service['name']}.", "prefix", ("register", "call")
    for uri in ("wamp.registration.lookup", "wamp.registration.count_callees", "ionman.router.person"):
        yield uri, "exact", ("call",)
