"""Rights that say nothing, or more than one would think: what works, and is probably not meant.

`ionman.router.node` accepts all of it; `ionman router check` does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ionman.routers.permission import Match, Permission, covers
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]


def doubtful(router: Entry) -> Iterator[Problem]:
    """All of it, in the order of the description, which has to be one that `ionman.router.check` accepts."""
    for number, realm in enumerate(router["realms"]):
        for index, role in enumerate(realm.get("roles", ())):
            path = f"realms[{number}].roles[{index}]"
            entries = [_permission(entry) for entry in role.get("permissions", ())]
            yield from _shadowed(entries, path)
            yield from _claims(router, realm, entries, path)
            if role["name"] == realm.get("anonymous"):
                yield from _for_everybody(entries, path)
    for number, service in enumerate(router.get("services", ())):
        yield from _wider_calls(service.get("calls", ()), f"services[{number}].calls")


def _permission(entry: Entry) -> Permission:
    return Permission(entry["uri"], cast("Match", entry.get("match", "exact")), frozenset(entry["allow"]))


def _shadowed(entries: Sequence[Permission], path: str) -> Iterator[Problem]:
    """What another entry of the role allows already: to take it away there, one would have to find both."""
    for number, entry in enumerate(entries):
        for other, wide in enumerate(entries):
            said = sorted(entry.allow & wide.allow)
            if number != other and said and covers(wide, entry):
                what = f"to {' and '.join(said)} {entry.uri} ({entry.match})"
                text = f"{what} is allowed already, by permissions[{other}]: {wide.uri} ({wide.match})"
                remedy = "take the permission out" if said == sorted(entry.allow) else f"take out {', '.join(said)}"
                yield Problem(f"{path}.permissions[{number}].allow", text, remedy)
                break


def _claims(router: Entry, realm: Entry, entries: Sequence[Permission], path: str) -> Iterator[Problem]:
    """A role that may register what a service declares: its users could answer in the service's place."""
    for number, entry in enumerate(entries):
        for service in router.get("services", ()) if "register" in entry.allow else ():
            for uri in service["procedures"] if service["realm"] == realm["name"] else ():
                if covers(entry, Permission(uri, "exact", frozenset())):
                    text = f"{entry.uri} ({entry.match}) lets the role register {uri} of the service {service['name']}"
                    yield Problem(f"{path}.permissions[{number}]", text, "write a URI that does not stand for it")
                    break


def _for_everybody(entries: Sequence[Permission], path: str) -> Iterator[Problem]:
    """What nobody should be able to do who has not said who he is."""
    for number, entry in enumerate(entries):
        place = f"{path}.permissions[{number}]"
        if "register" in entry.allow:
            yield Problem(
                f"{place}.allow", "whoever has not logged in may register", "let a user with a secret do that"
            )
        if entry.uri.partition(".")[0] in ("wamp", "ionman"):
            text = f"{entry.uri} shows who has not logged in what is on the router"
            yield Problem(f"{place}.uri", text, "give that to the role of users with a secret")


def _wider_calls(calls: Sequence[str], path: str) -> Iterator[Problem]:
    for number, uri in enumerate(calls):
        wider = [one for one in calls if one != uri and uri.startswith(one)]
        if wider:
            yield Problem(f"{path}[{number}]", f"{uri} is below {wider[0]}, which is there too", "keep one")
