"""What is kept of people, the same in SQLite and in PostgreSQL."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ionman import process
from ionman.errors import ConfigurationError, InputError, Unavailable
from ionman.user import Person
from ionman.users.answer import Changes
from ionman.users.database import Database
from tests.crossbar import free_port

PASSWORD = "a-password-of-the-database"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL of its own; it does not run as root, so its folder is not below those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="ionman-postgresql"))
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    lesser = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if os.geteuid() == 0 else []
    (folder / "password").write_text(PASSWORD)
    if lesser:
        for place in (folder, folder / "password"):
            shutil.chown(place, "postgres", "postgres")
    initdb = ["-D", "data", "-U", "keeper", "--auth=scram-sha-256", "--pwfile=password", "--no-sync", "-E", "UTF8"]
    process.run([*lesser, binaries / "initdb", *initdb], cwd=folder, timeout=120)
    port = free_port()
    settings = ["-c", "unix_socket_directories=", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    command: list[str | Path] = [*lesser, binaries / "postgres", "-D", "data", "-p", str(port), *settings]
    with (folder / "log").open("wb") as log:
        running = process.start(command, stdout=log, cwd=folder, die_with_parent=True)
    url = f"postgresql://keeper:{PASSWORD}@127.0.0.1:{port}/postgres"
    deadline = time.monotonic() + 60
    while not reached(url):
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.1)
    yield url
    running.terminate()
    running.wait(30)
    shutil.rmtree(folder)


def reached(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'users.db'}"
    found: str = request.getfixturevalue("server")
    return found


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url)
    yield made
    for person in made.all():
        made.remove(person)
    made.close()


ALICE = Person("ionman", "alice", "client", extra={"mail": "alice@example.org", "age": 42})


def test_people_are_kept_changed_and_forgotten(database: Database) -> None:
    database.add(ALICE, {"salt": "01"})
    database.add(Person("other", "alice", "ops"), {"salt": "02"})
    found = database.get("ionman", "alice")
    assert found == (found and found[0], {"salt": "01"})
    assert found is not None
    assert (found[0].shown(), found[0].disabled) == (ALICE.shown(), False)
    with pytest.raises(InputError, match="there is a user alice in the realm ionman"):
        database.add(ALICE, {"salt": "03"})
    first = database.change(Person("ionman", "alice", "ops", disabled=True))
    second = database.change(Person("ionman", "alice", "ops"), {"salt": "04"})
    assert second > first > found[0].revision
    now = database.get("ionman", "alice")
    assert now is not None
    assert (now[0].role, now[0].extra, now[0].revision, now[1]) == ("ops", {}, second, {"salt": "04"})
    assert [(person.realm, person.name) for person in database.all()] == [("ionman", "alice"), ("other", "alice")]
    assert database.remove(ALICE) > second
    assert database.get("ionman", "alice") is None
    for act in (database.change, database.remove):
        with pytest.raises(InputError, match="there is no user alice"):
            act(ALICE)


def test_each_change_is_told_once_also_after_the_program_was_away(database: Database, tmp_path: Path) -> None:
    changes = Changes(database, tmp_path / "told")
    assert changes.new() == []
    database.add(ALICE, {})
    database.change(ALICE)
    new = changes.new()
    assert [one.name for one in new] == ["alice", "alice"]
    changes.told(new)
    assert changes.new() == []
    database.remove(ALICE)
    again = Changes(database, tmp_path / "told")
    assert [one.number > new[-1].number for one in again.new()] == [True]


def test_many_at_once_lose_nothing(database: Database) -> None:
    database.add(ALICE, {})

    def often() -> None:
        numbers.extend(database.change(ALICE) for _ in range(10))

    numbers: list[int] = []
    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(numbers)) == 40
    assert {one.number for one in database.changes(min(numbers) - 1)} >= set(numbers)


@pytest.mark.parametrize("given", ["mysql://a:b@c/d", "nothing", "sqlite://", ""])
def test_other_databases_are_refused(given: str) -> None:
    with pytest.raises(ConfigurationError):
        Database(given)


def test_a_password_that_is_wrong_is_not_repeated(server: str) -> None:
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        Database(server.replace(PASSWORD, "a-wrong-one"))
    assert "a-wrong-one" not in str(caught.value)
    assert "keeper:***@127.0.0.1" in str(caught.value)


def test_a_database_that_is_away_says_so_and_comes_back(tmp_path: Path) -> None:
    nowhere = f"postgresql://keeper:{PASSWORD}@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(Unavailable, match="refused"):
        Database(nowhere)
    with pytest.raises(Unavailable, match="unable to open"):
        Database(f"sqlite:///{tmp_path / 'missing' / 'users.db'}")
