"""People who log in and are not in the inventory: what one is, and what may be said of one. Pure.

The database that keeps them is `ionman.users.database`; on a router, a name belongs to one realm.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ionman.errors import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")  # ionman.routers.shape.USER
FIELD = re.compile(r"[a-z][a-z0-9_]{0,62}")
OWN = frozenset({"name", "authid", "role", "realm", "extra"})  # what every user has already
SHORTEST = 8  # characters of a password: NIST SP 800-63B, section 5.1.1.2
LONGEST = 1024
MOST = 4096  # octets of all fields, as JSON: they travel with the first call of each session


@dataclass(frozen=True)
class Person:
    """Who may log in where, as what; `extra` is JSON-shaped and what services get to know besides."""

    realm: str
    name: str
    role: str
    disabled: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0  # of the database's: higher with each change

    def shown(self) -> dict[str, Any]:
        """What services get to know."""
        return {"name": self.name, "role": self.role, "extra": dict(self.extra)}


@dataclass(frozen=True)
class Settings:
    """What a router's host knows of them: their database, the roles of each realm, and the inventory's own names."""

    database: str
    realms: Mapping[str, Collection[str]]
    taken: frozenset[str] = frozenset()

    def text(self) -> str:
        """As a file has it."""
        realms = {realm: sorted(roles) for realm, roles in self.realms.items()}
        document = {"database": self.database, "realms": realms, "taken": sorted(self.taken)}
        return json.dumps(document, indent=2, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str) -> "Settings":
        """What `text` wrote; raises ValueError, LookupError or TypeError for anything else."""
        document = json.loads(text)
        return cls(document["database"], dict(document["realms"]), frozenset(document["taken"]))

    def realm(self, asked: str) -> str:
        """The realm that is meant: the only one where none is named."""
        if not asked and len(self.realms) == 1:
            return next(iter(self.realms))
        if asked not in self.realms:
            what = f"there is no realm {asked}" if asked else "there are several realms"
            raise InputError(what, remedy=f"name one with --realm: {', '.join(self.realms)}")
        return asked

    def person(self, realm: str, name: str, role: str, extra: Mapping[str, Any]) -> Person:
        """The person who is to be added or changed, or `InputError` that says what is wrong."""
        realm = self.realm(realm)
        if not NAME.fullmatch(name):
            raise InputError(f"{name!r} is no user's name", remedy="letters, digits and _.@-, up to 128")
        if name in self.taken:
            raise InputError(f"{name} is a user of the inventory", remedy="take another name, or change it there")
        if role not in self.realms[realm]:
            roles = ", ".join(sorted(self.realms[realm]))
            raise InputError(f"the realm {realm} has no role {role} for people", remedy=f"it has: {roles}")
        return Person(realm, name, role, extra=extra)


def password(text: str) -> str:
    """`text`, if it may be a password."""
    if not SHORTEST <= len(text) <= LONGEST:
        raise InputError(
            f"the password has {len(text)} characters", remedy=f"take {SHORTEST} to {LONGEST}; a sentence is a good one"
        )
    if not text.isprintable():
        raise InputError("the password has a control character", remedy="type it, or send it as one line")
    return text


def fields(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` as a mapping; a value that is JSON is that, anything else is text, and an empty one means none."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not FIELD.fullmatch(key) or key in OWN:
            raise InputError(f"{pair!r} is no field", remedy=f"write key=value; not {', '.join(sorted(OWN))}")
        found[key] = _value(value)
    return found


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`old` with `new`; what is empty there is taken out."""
    extra = {key: value for key, value in {**old, **new}.items() if value != ""}
    if len(json.dumps(extra).encode()) > MOST:
        raise InputError(f"the fields are longer than {MOST} octets", remedy="keep them elsewhere, by the user's name")
    return extra


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
