"""Permissions of one role, in the only shape that Crossbar applies as it reads.

Crossbar keeps the permissions of a role in one trie by URI and applies the longest entry that is a prefix of the URI
asked for, and only that one (crossbar/router/role.py, RouterRoleStaticAuth.authorize). So:

- an exact entry hides the prefix entry that covers it: each entry has to carry the rights of every wider one;
- an exact entry `app.get` that is a leading part of `app.get_all` makes the latter refused, though a prefix entry
  `app.` allows it: the longer URI needs an entry of its own, and gets it for every URI known in the realm;
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


def settle(permissions: Iterable[Permission], known: Iterable[str]) -> list[Permission]:
    """The entries that make Crossbar's longest-entry rule mean the union of `permissions`, sorted by URI.

    `known` are the procedures and topics of the realm, for the second rule of this module's text.
    """
    declared = list(permissions)
    keys = {(entry.uri, entry.prefix) for entry in declared}
    hidden = {(uri, False) for uri in known for entry in declared if not entry.prefix and uri.startswith(entry.uri)}
    settled = []
    for uri, is_prefix in sorted(keys | hidden):
        sources = [entry for entry in declared if entry.covers(uri) and (entry.prefix or not is_prefix)]
        allow = frozenset(action for entry in sources for action in entry.allow)
        if allow or (uri, is_prefix) in keys:
            settled.append(Permission(uri, is_prefix, allow))
    return settled


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
