"""People beyond the inventory, on a router's host: their settings, and the program that answers for them."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ionman.errors import IonmanError
from ionman.files import folder, write
from ionman.host import Step
from ionman.hosts import helper, supervisor
from ionman.hosts.door import enter
from ionman.hosts.helper import Helper
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.hosts.state import Router
from ionman.hosts.supervisor import Program
from ionman.routers import people
from ionman.user import Settings
from ionman.users.place import PROGRAM, Place

__all__ = ["PROGRAM", "DoingUsers", "note", "problem", "program"]

LOOKUP = "wamp.registration.lookup"
DEADLINE = 2.0  # s for the router to answer


def program(place: Place, kind: str) -> Program:
    """How the program is run, by the supervisor `kind`."""
    command = (str(Path(sys.prefix) / "bin/python"), "-P", "-m", "ionman.users.answer")
    return Program(
        name=PROGRAM,
        command=(*command, str(place.settings), str(place.layout.door), str(place.state)),
        directory=place.state,
        user=place.user,
        writable=(place.state,),
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        drain_timeout=5,
        supervisor=kind,
        about=helper.about(),
    )


def problem(layout: Layout, realms: Iterable[str]) -> str:
    """Why nobody answers for the people of `realms`; empty when it does."""
    for realm in realms:
        try:
            with enter(layout, realm, DEADLINE) as door:
                there = door.call(LOOKUP, people.ACCOUNT)
        except IonmanError as error:
            return error.message
        if there is None:
            return f"it does not answer in the realm {realm} yet"
    return ""


def note(layout: Layout) -> str:
    """The same, for those whom the host's settings name."""
    try:
        return problem(layout, Place(layout).read().realms)
    except IonmanError as error:
        return error.message


@dataclass(frozen=True)
class DoingUsers:
    """What is to be there for the people of `router`, and doing it."""

    layout: Layout
    router: Router
    say: Say

    def steps(self) -> tuple[Step, ...]:
        """What has to happen."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[Step]:
        if not people.on(self.router.description):
            if PROGRAM in helper.installed(self.layout):
                yield Step("drain", PROGRAM, "there are no users beyond the inventory any more")
            return
        supervisor.check(self.layout, self.router.supervisor)
        if self._settings_there() != self._settings.text():
            yield Step(
                "write", "users/users.json", "changed" if self._place.settings.exists() else "first on this host"
            )
        yield self._helper.step()

    def all(self) -> None:
        """Do it."""
        if people.on(self.router.description):
            self._land()
            self._helper.do(self.say)
        else:
            remove(self.layout, self.say)

    def _land(self) -> None:
        place = self._place
        folder(place.state, mode=0o700, user=place.user, group=place.user)
        folder(place.settings.parent, mode=0o750, group=place.user)
        if self._settings_there() != self._settings.text():
            write(place.settings, self._settings.text(), mode=0o640, group=place.user)

    @property
    def _place(self) -> Place:
        return Place(self.layout)

    @property
    def _settings(self) -> Settings:
        described = self.router.description
        url = self._place.url(described["users"]["database"])
        return Settings(url, people.realms(described), frozenset(people.taken(described)))

    def _settings_there(self) -> str:
        return self._place.settings.read_text() if self._place.settings.exists() else ""

    @property
    def _helper(self) -> Helper:
        made = program(self._place, self.router.supervisor)
        return Helper(self.layout, made, lambda: problem(self.layout, self._settings.realms), "answers at the router")


def remove(layout: Layout, say: Say) -> None:
    """End the program, if there is one; the database is kept."""
    if PROGRAM in helper.installed(layout):
        helper.remove(layout, PROGRAM, say)
        Place(layout).settings.unlink(missing_ok=True)
