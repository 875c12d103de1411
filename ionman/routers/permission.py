"""Permissions of one role: what an entry stands for, and the only shape in which Crossbar applies them as they read.

A role may do what any of its entries allows. An entry stands for one URI (`exact`), for all that begin with it
(`prefix`), or for those of as many parts whose parts are its own where it has one, and any where it is empty
(`wildcard`: `app..get`). Who registers or subscribes a pattern needs one entry that stands for all of the pattern.

Crossbar (26.10.1, crossbar/router/role.py, RouterRoleStaticAuth.authorize) reads a role's list in another way:

- of all entries only the longest that is a prefix of the URI asked for counts: an exact `app.get` hides a prefix
  `app.` from `app.get_all`, and two entries with the same URI overwrite each other;
- wildcards live in a second trie with one place for each leading part, and beat prefixes;
- it does not ask whether a registration or subscription is for a pattern: `app.get` allows `app.get*` too;
- who may register may also take a procedure from all others (`force_reregister`);
- a URI that no entry stands for is remembered for ever, so that whoever asks for many fills the memory.

So only a list of prefixes that lets nobody register is left to Crossbar, rewritten by `settle`; every other role is
answered for by ionman.routers.authorizer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["call", "register", "publish", "subscribe"]
ACTIONS: tuple[Action, ...] = ("call", "register", "publish", "subscribe")
Match = Literal["exact", "prefix", "wildcard"]
MATCHES: tuple[Match, ...] = ("exact", "prefix", "wildcard")


@dataclass(frozen=True, order=True)
class Permission:
    """A URI, what it stands for, and what may be done with that."""

    uri: str
    match: Match
    allow: frozenset[str]


def exact(uris: Iterable[str], *allow: Action) -> list[Permission]:
    """One permission for each of `uris` alone."""
    return [Permission(uri, "exact", frozenset(allow)) for uri in uris]


def prefix(uri: str, *allow: Action) -> Permission:
    """A permission for everything that begins with `uri`."""
    return Permission(uri, "prefix", frozenset(allow))


def covers(wide: Permission, narrow: Permission) -> bool:
    """Whether everything that `narrow` stands for is among what `wide` stands for."""
    if wide.match == "prefix":
        return narrow.uri.startswith(wide.uri)
    if narrow.match == "prefix":
        return False
    theirs, own = narrow.uri.split("."), wide.uri.split(".")
    return len(theirs) == len(own) and all(mine in ("", part) for mine, part in zip(own, theirs, strict=True))


def plain(permissions: Iterable[Permission]) -> bool:
    """Whether Crossbar, given `settle(permissions)`, applies them as they read."""
    return all(entry.match == "prefix" and "register" not in entry.allow for entry in permissions)


def settle(permissions: Iterable[Permission]) -> list[Permission]:
    """The prefixes among `permissions`, each with the rights of all wider ones; sorted by URI."""
    declared = [entry for entry in permissions if entry.match == "prefix"]
    settled = []
    for uri in sorted({entry.uri for entry in declared}):
        around = [entry for entry in declared if uri.startswith(entry.uri)]
        if _union(around) != _union(entry for entry in around if entry.uri != uri):
            settled.append(Permission(uri, "prefix", _union(around)))
    return settled


def _union(permissions: Iterable[Permission]) -> frozenset[str]:
    return frozenset(action for entry in permissions for action in entry.allow)


def listed(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """The permissions as ionman.routers.authorizer reads them."""
    entries = sorted(set(permissions), key=lambda entry: (entry.uri, entry.match, sorted(entry.allow)))
    return [{"uri": entry.uri, "match": entry.match, "allow": sorted(entry.allow)} for entry in entries]


def render(permission: Permission) -> dict[str, Any]:
    """The permission as Crossbar's configuration has it; whoever calls or publishes is always disclosed.

    Only exact entries are cached: the cache has no bound, and a prefix has any number of URIs.
    """
    return {
        "uri": permission.uri,
        "match": permission.match,
        "allow": {action: action in permission.allow for action in ACTIONS},
        "disclose": {"caller": True, "publisher": True},
        "cache": permission.match == "exact",
    }
