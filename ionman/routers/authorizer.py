"""Says whether a role may register, call, publish or subscribe: asked by Crossbar, for each such message.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands, so it uses Python's library and Autobahn only. The rights are in a file that `apply`
replaces as a whole; it is read again when it was replaced, so that new rights need no restart.

The file's shape (docs/router.md says what an entry stands for)::

    {"realms": {realm: {role: [{"uri", "match": "exact" | "prefix" | "wildcard", "allow": [action, ...]}]}},
     "authorizers": {realm: {role: {"procedure", "role"}}}}

Where a role has an authorizer, that procedure is asked for what the entries do not allow.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman
from autobahn.wamp.exception import Error  # noqa: TID251 - as above
from twisted.internet import defer, reactor  # noqa: TID251 - as above

MATCHES = ("exact", "prefix", "wildcard")
ANSWER = 5.0  # s that an authorizer may take
OWN = ("", "wamp", "ionman")  # first parts of URIs that no authorizer decides about; the first stands for all of them


class Entry(NamedTuple):
    """A URI, what it stands for, and what may be done with that."""

    uri: str
    match: str
    allow: frozenset[str]

    def covers(self, uri: str, match: str) -> bool:
        """Whether `uri`, asked for with this `match`, stands for nothing beyond this entry.

        A pattern below a prefix stays below it, also a wildcard: what the prefix has is none of its empty parts. No
        other entry stands for a prefix, which has no end.
        """
        if self.match == "prefix":
            return uri.startswith(self.uri)
        if match == "prefix":
            return False
        parts, own = uri.split("."), self.uri.split(".")
        if len(parts) != len(own) or not all(mine in ("", part) for mine, part in zip(own, parts, strict=True)):
            return False
        return match == "wildcard" or "" not in parts


class Ask(NamedTuple):
    """An authorizer: the procedure, and how the description calls the role."""

    procedure: str
    role: str


class Rights:
    """The rights of one realm's roles, as the file at `path` has them now.

    `problem` says why it cannot be used; nobody has rights then.
    """

    def __init__(self, path: str, realm: str) -> None:
        self._path = Path(path)
        self._realm = realm
        self._seen: tuple[int, int] | None = None
        self._roles: dict[str, list[Entry]] = {}
        self._asks: dict[str, Ask] = {}
        self.problem = ""

    def allow(self, role: str, action: str, uri: str, match: str) -> bool:
        """Whether `role` may do `action` with `uri`; `match` is how a registration or subscription asks for it."""
        self._look()
        return any(action in entry.allow and entry.covers(uri, match) for entry in self._roles.get(role, ()))

    def ask(self, role: str, uri: str, match: str) -> Ask | None:
        """Who is asked for what `allow` refused; None when nobody is: no authorizer reaches wamp. and ionman."""
        first, dot, _ = uri.partition(".")
        reaches = first in OWN or (match == "prefix" and not dot)
        return None if reaches else self._asks.get(role)

    def _look(self) -> None:
        """Read the file again if it is another one, or was changed: the time of a change tells its mode too."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_ctime_ns)
            if seen == self._seen:
                return
            self._seen = seen
            self._roles, self._asks = read(self._path.read_text(), self._realm)
            self.problem = ""
        except OSError as error:
            self._roles, self._asks, self._seen = {}, {}, None
            self.problem = f"it cannot be read: {error.strerror}"
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._roles, self._asks, self.problem = {}, {}, f"it has another shape: {error!r}"


def read(text: str, realm: str) -> tuple[dict[str, list[Entry]], dict[str, Ask]]:
    """The entries and the authorizer of each role of `realm`.

    ValueError, LookupError, TypeError or AttributeError for another shape.
    """
    document = json.loads(text)
    roles = {role: [entry(one) for one in entries] for role, entries in document["realms"][realm].items()}
    asking = document.get("authorizers", {}).get(realm, {})
    asks = {role: Ask(one["procedure"], one["role"]) for role, one in asking.items()}
    return roles, asks


def entry(one: Any) -> Entry:
    """One entry of the file."""
    if one["match"] not in MATCHES:
        raise ValueError(one["match"])
    return Entry(one["uri"], one["match"], frozenset(one["allow"]))


def granted(answer: Any) -> bool:
    """What an authorizer answered: true, or a mapping with `allow` true (and, from a service's `ok`, its status)."""
    return (answer.get("allow") if isinstance(answer, Mapping) else answer) is True


class Authorizer(ApplicationSession):
    """Crossbar's component for one realm; `extra` has the file's path, `rights`, and the URI to answer, `procedure`."""

    async def onJoin(self, details: Any) -> None:  # noqa: N802 - Autobahn's name
        """Be there before the listener is: Crossbar opens it when every component has joined."""
        self.begin(details.realm)
        await self.register(self.authorize, self.config.extra["procedure"])

    def begin(self, realm: str) -> None:
        """Answer for `realm` from now on."""
        self._rights = Rights(self.config.extra["rights"], realm)
        self._told = ""

    def authorize(self, details: Any, uri: str, action: str, options: Any) -> Any:
        """Crossbar's question (crossbar/router/role.py, RouterRoleDynamicAuth), and an answer that it does not keep."""
        options = options or {}
        role, match = details["authrole"], options.get("match") or "exact"
        allowed = self._rights.allow(role, action, uri, match)
        if self._rights.problem != self._told:
            self._told = self._rights.problem
            if self._told:
                path = self.config.extra["rights"]
                self.log.error("{path}: {why}; services are refused until that is mended", path=path, why=self._told)
        if options.get("force_reregister"):  # takes the procedure from every other instance (dealer.py)
            return answer(allowed=False)
        if not allowed and (ask := self._rights.ask(role, uri, match)):
            question = {"role": ask.role, "authid": details["authid"], "session": details["session"]}
            return self._asked(ask.procedure, {**question, "uri": uri, "action": action, "match": match})
        return answer(allowed=allowed)

    async def _asked(self, procedure: str, question: dict[str, Any]) -> dict[str, bool]:
        """What the authorizer says, within ANSWER; whatever goes wrong is a no."""
        try:
            said = await self.call(procedure, question).addTimeout(ANSWER, reactor)
        except (Error, defer.TimeoutError, defer.CancelledError) as error:
            self.log.warn("{procedure} was asked and did not answer: {error}", procedure=procedure, error=error)
            return answer(allowed=False)
        return answer(allowed=granted(said))


def answer(*, allowed: bool) -> dict[str, bool]:
    """Crossbar's form of a yes or no; whoever calls or publishes is disclosed."""
    return {"allow": allowed, "disclose": True, "cache": False}
