"""A router of its own with people in a SQLite database, and the program that answers for them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from ionman import process
from ionman.call import Account, Client
from ionman.command.user import user
from ionman.errors import IonmanError
from ionman.hosts.layout import Layout
from ionman.routers.credential import scram
from ionman.routers.people import ACCOUNT, realms, taken
from ionman.user import Person, Settings
from ionman.users.database import Database
from ionman.users.place import Place
from tests.crossbar import Crossbar

SALT = bytes(16)
SERVICE = {
    **{"name": "who", "realm": "ionman", "user": "who", "password": "who-password"},
    **{"procedures": ["app.who.calls", "app.who.published"], "topics": ["app.who.news"]},
}


@dataclass
class People:
    """The router, the database, and the program, which `start` and `stop` as a supervisor would."""

    router: Crossbar
    database: Database
    settings: Settings
    running: subprocess.Popen[bytes] | None = None
    host: Path | None = None

    @property
    def folder(self) -> Path:
        return self.router.directory

    @property
    def place(self) -> Place:
        """The host, as `ionman user --root` sees it."""
        return Place(Layout(self.host or self.folder / "host"))

    def start(self) -> None:
        for folder in (self.place.settings.parent, self.place.state, self.place.layout.door.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.place.settings.write_text(self.settings.text())
        if not self.place.layout.door.is_symlink():
            self.place.layout.door.symlink_to(self.router.door)
        command: list[str | Path] = [sys.executable, "-m", "ionman.users.answer"]
        command += [self.place.settings, self.router.door, self.place.state]
        with (self.folder / "users.log").open("ab") as log:
            self.running = process.start(command, stdout=log, die_with_parent=True)
        until(self.answers)

    def stop(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait(10)
            self.running = None
            until(lambda: not self.answers())

    def answers(self) -> bool:
        with self.router.caller("ops") as ops:
            return ops.call("wamp.registration.lookup", ACCOUNT) is not None

    def add(self, name: str, *, role: str = "client", **extra: object) -> Person:
        """A person whose password is `<name>-password`."""
        person = Person(self.router.realm, name, role, extra=extra)
        self.database.add(person, scram(f"{name}-password", SALT))
        return person

    def enter(self, name: str, password: str = "", *, deadline: float = 30.0) -> Client:
        account = Account(self.router.realm, name, password or f"{name}-password")
        return Client([self.router.address], account, ca=self.router.ca, deadline=deadline)

    def verb(self, *words: str, line: str = "") -> str:
        """What `ionman user ...` prints on the host, with `line` on standard input; raises what it ends with."""
        done = CliRunner().invoke(user, [*words, "--root", str(self.place.layout.root)], input=line)
        if isinstance(done.exception, IonmanError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def log(self) -> str:
        return (self.folder / "users.log").read_text()


def until(true: object, seconds: float = 30.0) -> None:
    """Wait until `true()` is, or fail."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, true
        time.sleep(0.05)


def refusal(entering: object) -> IonmanError:
    """The error that `entering()` ends with."""
    assert callable(entering)
    with pytest.raises(IonmanError) as caught:
        entering().close()
    return caught.value


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """They are running; each test adds its own."""
    folder = tmp_path_factory.mktemp("people")
    router = Crossbar(folder, description={"users": {"database": "sqlite"}, "services": [SERVICE]})
    url = f"sqlite:///{folder / 'users.db'}"
    settings = Settings(url, realms(router.description), frozenset(taken(router.description)))
    made = People(router.start(), Database(url), settings)
    try:
        made.start()
        yield made
        made.stop()
    finally:
        router.kill()
        made.database.close()
