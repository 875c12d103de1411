"""What changes people: in the database first, then on this host's router, where their sessions end."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ionman.errors import IonmanError
from ionman.hosts.door import enter
from ionman.hosts.layout import Layout
from ionman.routers.credential import scram
from ionman.routers.people import END
from ionman.user import Person, Settings, merged, password
from ionman.users.database import Database, nobody

SALT = 16  # octets, each time others: the same password of two people looks different


@dataclass(frozen=True)
class Desk:
    """Where people are added and changed. Each method returns what was done, in a line."""

    layout: Layout
    settings: Settings
    database: Database

    def add(self, person: Person, secret: str) -> str:
        """Let a person log in."""
        who = self.settings.person(person.realm, person.name, person.role, merged({}, person.extra))
        self.database.add(who, credential(secret))
        return f"added {who.name} ({who.role}) to {who.realm}"

    def passwd(self, realm: str, name: str, secret: str) -> str:
        """Have another password."""
        return self._changed("has a new password", self._there(realm, name), credential(secret))

    def switch(self, realm: str, name: str, *, disabled: bool) -> str:
        """Keep a person out, or let in again."""
        person = self._there(realm, name)
        word = "disabled" if disabled else "enabled"
        if person.disabled is disabled and not disabled:
            return f"{name} is {word} already"
        return self._changed(f"is {word}", replace(person, disabled=disabled))

    def change(self, realm: str, name: str, role: str, extra: Mapping[str, Any]) -> str:
        """Have another role (unless it is empty) and other fields."""
        old = self._there(realm, name)
        new = self.settings.person(old.realm, name, role or old.role, merged(old.extra, extra))
        return self._changed("was changed", replace(new, disabled=old.disabled))

    def remove(self, realm: str, name: str) -> str:
        """Forget a person."""
        person = self._there(realm, name)
        return f"{name} was removed{self._end(person, self.database.remove(person))}"

    def _there(self, realm: str, name: str) -> Person:
        found = self.database.get(self.settings.realm(realm), name)
        if found is None:
            raise nobody(self.settings.realm(realm), name)
        return found[0]

    def _changed(self, what: str, person: Person, secret: Mapping[str, Any] | None = None) -> str:
        return f"{person.name} {what}{self._end(person, self.database.change(person, secret))}"

    def _end(self, person: Person, revision: int) -> str:
        """End the sessions here and now; on other hosts, and when that cannot be, the program there does it."""
        try:
            with enter(self.layout, person.realm) as door:
                door.call(END, {person.name: revision})
        except IonmanError as error:
            return f"; its sessions end later: this host's router does not answer ({error.message})"
        return "; no session from before is left on this host's router"


def credential(secret: str) -> dict[str, Any]:
    """What is kept of a password; `InputError` for one that is none."""
    return scram(password(secret), secrets.token_bytes(SALT))


def table(people: list[Person]) -> list[str]:
    """Everybody, for a reader."""
    if not people:
        return ["there is nobody; add somebody: ionman user add NAME --role ROLE"]
    rows = [("realm", "name", "role", "state", "fields")]
    rows += [(p.realm, p.name, p.role, "disabled" if p.disabled else "enabled", _fields(p.extra)) for p in people]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    ]


def _fields(extra: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in extra.items())
