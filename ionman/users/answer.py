"""The program on a router's host that answers for people: `python -m ionman.users.answer SETTINGS DOOR STATE`.

It comes in by the router's door, one session for each realm. It tells the gate (ionman.routers.gate), and nobody else,
what it asks at a login, and lets the gate end the sessions of who was changed, on this host or on another that has the
same database.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ionman.calls.client import Client
from ionman.calls.login import Account
from ionman.calls.reach import UNIX
from ionman.errors import ConfigurationError, IonmanError, Unavailable, WampError
from ionman.files import write
from ionman.routers.people import ACCOUNT, END, GATE
from ionman.user import Settings
from ionman.users.database import Change, Database

LOOK = 0.5  # s between two looks for changes
AGAIN = 1.0  # s until what failed is tried again
DEADLINE = 5.0  # s for a call through the door
LATER = "ionman.error.users_unavailable"
REFUSED = "wamp.error.not_authorized"
log = logging.getLogger("ionman.users")


def account(database: Database, realm: str) -> Callable[..., dict[str, Any] | None]:
    """What answers the gate of `realm`: the person and the credential, None for who may not log in."""

    def answer(name: str, details: Mapping[str, Any]) -> dict[str, Any] | None:
        if details.get("caller_authrole") != GATE:
            raise WampError(REFUSED, "only the router's gate is told")
        try:
            found = database.get(realm, str(name))
        except Unavailable as error:
            log.warning("%s", error.message)
            raise WampError(LATER, "the users' database cannot be used") from error
        if found is None or found[0].disabled:
            return None
        return {"person": found[0].shown(), "credential": found[1], "revision": found[0].revision}

    return answer


class Changes:
    """The changes that have not been told yet; `state` is the file with the number of the last one that was."""

    def __init__(self, database: Database, state: Path) -> None:
        self._database = database
        self._state = state
        self._last = int(state.read_text()) if state.exists() else database.last()
        self._told = {one.number for one in database.changes(self._last) if one.number <= self._last}

    def new(self) -> list[Change]:
        """In order."""
        return [one for one in self._database.changes(self._last) if one.number not in self._told]

    def told(self, changes: list[Change]) -> None:
        """These have been."""
        self._told |= {one.number for one in changes}
        self._last = max(self._last, *(one.number for one in changes))
        self._told = {number for number in self._told if number > self._last - 2000}
        write(self._state, f"{self._last}\n", mode=0o600)


def main(settings: Path, door: Path, state: Path) -> None:
    """Answer until the settings are others: a supervisor starts it again."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        known = Settings.read(settings.read_text())
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{settings} cannot be used: {error!r}", remedy="run `ionman host apply`") from error
    database = _patiently("the database", lambda: Database(known.database))
    clients: dict[str, Client] = {}
    for realm in known.realms:
        clients[realm] = _patiently(f"the router's realm {realm}", partial(_enter, door, realm))
        clients[realm].register(ACCOUNT, account(database, realm), details=True)
    log.info("answering for the users of %s from %s", ", ".join(clients), database.shown)
    changes = _patiently("the database", lambda: Changes(database, state / "told"))
    while settings.exists() and settings.read_text() == known.text():
        _patiently("what was changed", lambda: tell(changes, clients))
        time.sleep(LOOK)
    log.info("%s has changed; starting again", settings)


def tell(changes: Changes, clients: Mapping[str, Client]) -> None:
    """Have the gates end the sessions of who was changed."""
    found = changes.new()
    for realm, client in clients.items():
        users = {one.name: one.number for one in found if one.realm == realm}
        if users and (ended := client.call(END, users, deadline=DEADLINE)):
            log.info("ended %d sessions of %s in %s", ended, ", ".join(users), realm)
    if found:
        changes.told(found)


def _enter(door: Path, realm: str) -> Client:
    return Client([f"{UNIX}{door}"], Account(realm), deadline=DEADLINE)


def _patiently(what: str, act: Callable[[], Any]) -> Any:
    """Do it, again and again until it works; the log says once why it does not."""
    told = ""
    while True:
        try:
            return act()
        except ConfigurationError:
            raise
        except IonmanError as error:
            if error.message != told:
                told = error.message
                log.warning("%s: %s", what, told)
        time.sleep(AGAIN)


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:4]))
    except IonmanError as error:
        sys.exit(f"ionman-users: {error}")
