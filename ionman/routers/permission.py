"""Permissions of one role, in the only shape that Crossbar applies as it reads.

Crossbar keeps the permissions of a role in one trie by URI and applies the longest entry that is a prefix of the URI
asked for, and only that one (crossbar/router/role.py, RouterRoleStaticAuth.authorize). So:

- a longer prefix hides the shorter one: each entry has to carry the rights of every wider one;
- an exact entry `app.get` hides a prefix entry `app.` from every URI that goes on after it, as `app.get_all`: no list
  of entries says both, and such a role is answered for by ionman.routers.authorizer;
- two entries with the same URI overwrite each other: they are merged, and an exact one beside a prefix of the same
  letters is refused by the check;
- wildcards live in a second trie with one place for each leading part, and beat prefixes: they are not offered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["call", "register", "publish", "subscribe"]
ACTIONS: tuple[Action, ...] = ("call", "register", "publish", "subscribe")


@dataclass(frozen=True, order=True)
class Permission:
    """A URI, whether it stands for itself or for all that begin with it, and what may be done with it."""

    uri: str
    prefix: bool
    allow: frozenset[str]

    def covers(self, uri: str) -> bool:
        """Whether this entry says something about `uri`."""
        return uri.startswith(self.uri) if self.prefix else uri == self.uri


def exact(uris: Iterable[str], *allow: Action) -> list[Permission]:
    """One permission for each of `uris` alone."""
    return [Permission(uri, False, frozenset(allow)) for uri in uris]


def prefix(uri: str, *allow: Action) -> Permission:
    """A permission for everything that begins with `uri`."""
    return Permission(uri, True, frozenset(allow))


def mixed(permissions: Iterable[Permission]) -> bool:
    """Whether an exact entry has rights that the prefixes around it have not: Crossbar would not read that as meant."""
    settled = settle(permissions)
    return any(one.prefix and one.covers(entry.uri) for entry in settled if not entry.prefix for one in settled)


def settle(permissions: Iterable[Permission]) -> list[Permission]:
    """The entries that make Crossbar's longest-entry rule mean the union of `permissions`, sorted by URI."""
    declared = list(permissions)
    settled = []
    for uri, is_prefix in sorted({(entry.uri, entry.prefix) for entry in declared}):
        around = _union(entry for entry in declared if entry.prefix and entry.covers(uri))
        own = _union(entry for entry in declared if not (entry.prefix or is_prefix) and entry.uri == uri)
        if is_prefix or not own <= around:
            settled.append(Permission(uri, is_prefix, around | own))
    return settled


def _union(permissions: Iterable[Permission]) -> frozenset[str]:
    return frozenset(action for entry in permissions for action in entry.allow)


def listed(permissions: Iterable[Permission]) -> list[dict[str, Any]]:
    """The permissions as ionman.routers.authorizer reads them."""
    return [
        {"uri": entry.uri, "match": "prefix" if entry.prefix else "exact", "allow": sorted(entry.allow)}
        for entry in sorted(set(permissions), key=lambda entry: (entry.uri, entry.prefix, sorted(entry.allow)))
    ]


def render(permission: Permission) -> dict[str, Any]:
    """The permission as Crossbar's configuration has it; whoever calls or publishes is always disclosed.

    Only exact entries are cached: the cache has no bound, and a prefix has any number of URIs.
    """
    return {
        "uri": permission.uri,
        "match": "prefix" if permission.prefix else "exact",
        "allow": {action: action in permission.allow for action in ACTIONS},
        "disclose": {"caller": True, "publisher": True},
        "cache": not permission.prefix,
    }
