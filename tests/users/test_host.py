"""What `ionman host apply` does for people: their settings and the program, under a real supervisor."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ionman.errors import Refused
from ionman.hosts import status, supervisor
from ionman.hosts.apply_users import PROGRAM, DoingUsers
from ionman.hosts.layout import Layout
from ionman.hosts.state import Router, read
from ionman.users.place import Place
from tests.host.conftest import HURRIED, Hosts
from tests.users.conftest import People, refusal, until

pytestmark = pytest.mark.router


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Hosts with a supervisor each."""
    some = Hosts(HURRIED)
    yield some
    some.end_all()


@pytest.fixture
def layout(people: People, hosts: Hosts) -> Iterator[Layout]:
    """A host of its own, whose door is that of `people`, and whose program is the only one."""
    people.stop()
    host = hosts.another()
    host.layout.door.parent.mkdir(parents=True)
    host.layout.door.symlink_to(people.router.door)
    yield host.layout
    hosts.end_all()
    until(lambda: not people.answers())
    people.start()


def router(people: People, **users: str) -> Router:
    """The router's section, with `users`."""
    described: dict[str, Any] = {"version": "26.10.1", **people.router.description, "users": users}
    made = read(json.dumps({"router": described})).router
    assert made is not None
    return made


def plan(doing: DoingUsers) -> list[tuple[str, str]]:
    return [(step.verb, step.target) for step in doing.steps()]


def test_the_program_comes_stays_comes_again_and_goes(people: People, layout: Layout) -> None:
    said: list[str] = []
    doing = DoingUsers(layout, router(people, database="sqlite"), said.append)
    assert plan(doing) == [("write", "users/users.json"), ("start", PROGRAM)]
    doing.all()
    assert plan(doing) == [("keep", PROGRAM)]
    assert [(row["program"], row["note"]) for row in status.rows(layout)] == [(PROGRAM, "")]
    place = Place(layout)
    assert place.settings.stat().st_mode & 0o777 == 0o640
    assert place.state.stat().st_mode & 0o777 == 0o700
    replace(people, host=layout.root).verb("add", "vera", "--role", "client", line="a good sentence\n")
    people.enter("vera", "a good sentence").close()

    before = supervisor.status(layout, [PROGRAM])[PROGRAM].pid
    os.kill(before, signal.SIGKILL)
    until(lambda: supervisor.status(layout, [PROGRAM])[PROGRAM].pid not in (0, before) and people.answers())
    people.enter("vera", "a good sentence").close()

    off = DoingUsers(layout, router(people), said.append)
    assert plan(off) == [("drain", PROGRAM)]
    off.all()
    assert plan(off) == []
    assert not place.settings.exists()
    assert (place.state / "users.db").exists()
    assert not isinstance(refusal(lambda: people.enter("vera", "a good sentence", deadline=1.0)), Refused)


def test_other_settings_reach_the_program(people: People, layout: Layout) -> None:
    DoingUsers(layout, router(people, database="sqlite"), lambda _: None).all()
    before = supervisor.status(layout, [PROGRAM])[PROGRAM].pid
    other = router(people, database="sqlite")
    realm = {**people.router.description["realms"][0]}
    realm["users"] = [*realm["users"], {"name": "wanda", "password": "wanda-password", "role": "client"}]
    doing = DoingUsers(layout, replace(other, description={**other.description, "realms": [realm]}), lambda _: None)
    assert plan(doing) == [("write", "users/users.json"), ("keep", PROGRAM)]
    doing.all()
    until(lambda: supervisor.status(layout, [PROGRAM])[PROGRAM].pid != before)
    assert "wanda" in Place(layout).read().taken


def test_a_check_says_what_an_apply_would_do_and_shows_no_password_of_the_database(hosts: Hosts) -> None:
    host = hosts.another()
    host.crossbar()
    host.certify()
    document = json.loads(host.router("ionman"))
    document["router"]["users"] = {"database": "postgresql://keeper:a-secret@db.example.org/users"}
    would = host.apply(json.dumps(document), check=True)
    steps = [(step.verb, step.target) for step in would.steps]
    assert steps[-2:] == [("write", "users/users.json"), ("start", PROGRAM)]
    assert "a-secret" not in json.dumps(would.document()) + "".join(host.lines)
    assert not Place(host.layout).settings.exists()
