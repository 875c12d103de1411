"""Says whether a service may register, call, publish or subscribe: asked by Crossbar, for each such message.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands, so it uses Python's library and Autobahn only. The rights are in a file that `apply`
replaces as a whole; it is read again when it was replaced, so that new rights need no restart.

The file's shape: ``{"realms": {realm: {role: [{"uri", "match": "exact" | "prefix", "allow": [action, ...]}]}}}``.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman


class Entry(NamedTuple):
    """A URI, whether it stands for all that begin with it, and what may be done with it."""

    uri: str
    prefix: bool
    allow: frozenset[str]

    def covers(self, uri: str, match: str) -> bool:
        """Whether `uri`, asked for with this `match`, stands for nothing beyond this entry.

        A pattern below a prefix stays below it, also a wildcard: the prefix ends with a dot, so its parts are none of
        the wildcard's empty ones.
        """
        return uri.startswith(self.uri) if self.prefix else (uri, match) == (self.uri, "exact")


class Rights:
    """The rights of one realm's roles, as the file at `path` has them now.

    `problem` says why it cannot be used; nobody has rights then.
    """

    def __init__(self, path: str, realm: str) -> None:
        self._path = Path(path)
        self._realm = realm
        self._seen: tuple[int, int] | None = None
        self._roles: dict[str, list[Entry]] = {}
        self.problem = ""

    def allow(self, role: str, action: str, uri: str, match: str) -> bool:
        """Whether `role` may do `action` with `uri`; `match` is how a registration or subscription asks for it."""
        self._look()
        return any(action in entry.allow and entry.covers(uri, match) for entry in self._roles.get(role, ()))

    def _look(self) -> None:
        """Read the file again if it is another one, or was changed: the time of a change tells its mode too."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_ctime_ns)
            if seen == self._seen:
                return
            self._seen = seen
            self._roles = read(self._path.read_text(), self._realm)
            self.problem = ""
        except OSError as error:
            self._roles, self._seen, self.problem = {}, None, f"it cannot be read: {error.strerror}"
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            self._roles, self.problem = {}, f"it has another shape: {error!r}"


def read(text: str, realm: str) -> dict[str, list[Entry]]:
    """The entries of each role of `realm`; ValueError, LookupError, TypeError or AttributeError for another shape."""
    return {role: [entry(one) for one in entries] for role, entries in json.loads(text)["realms"][realm].items()}


def entry(one: Any) -> Entry:
    """One entry of the file."""
    if one["match"] not in ("exact", "prefix"):
        raise ValueError(one["match"])
    return Entry(one["uri"], one["match"] == "prefix", frozenset(one["allow"]))


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

    def authorize(self, details: Any, uri: str, action: str, options: Any) -> dict[str, bool]:
        """Crossbar's question (crossbar/router/role.py, RouterRoleDynamicAuth), and an answer that it does not keep."""
        options = options or {}
        allowed = self._rights.allow(details["authrole"], action, uri, options.get("match") or "exact")
        if options.get("force_reregister"):  # takes the procedure from every other instance (dealer.py)
            allowed = False
        if self._rights.problem != self._told:
            self._told = self._rights.problem
            if self._told:
                path = self.config.extra["rights"]
                self.log.error("{path}: {why}; services are refused until that is mended", path=path, why=self._told)
        return {"allow": allowed, "disclose": True, "cache": False}
