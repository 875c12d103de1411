"""What a service's method gets to know of who calls: `getSession` gives name, role and fields from the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ionman.call import Client
from ionman.testing import Service
from ionman.testing import User as Someone
from tests.runtime.author import Author
from tests.users.conftest import SERVICE, People, until

pytestmark = pytest.mark.router

MODULE = """
from IonmanClass import RegistrationsClass, SubscriptionsClass

heard = []

class Registrations(RegistrationsClass):
    def app_who_calls(self, argv, details):
        user = self.getSession(details)
        return self.ok({"name": user.name, "authid": user.authid, "role": user.role, "extra": dict(user.extra)})

    def app_who_published(self, argv, details):
        return heard

class Subscriptions(SubscriptionsClass):
    def app_who_news(self, data, details):
        user = self.getSession(details)
        heard.append([data, user.name, user.extra.get("team")])
"""


@pytest.fixture
def who(people: People, tmp_path: Path) -> Iterator[Author]:
    """The service, ready on the router of `people`."""
    author = Author(tmp_path, people.router, "who").shell("who").module("who", MODULE)
    author.configure(user=SERVICE["user"], password=SERVICE["password"]).ready()
    yield author
    author.close()


def seen(client: Client) -> dict[str, Any]:
    """Who the service takes `client` for."""
    answer: dict[str, Any] = client.call("app.who.calls")
    assert answer.pop("status") == "OK"
    return answer


def test_name_role_and_fields_come_from_the_database(people: People, who: Author) -> None:
    people.add("mia", mail="mia@example.org", teams=["red", "blue"])
    expected = {"name": "mia", "authid": "mia", "role": "client", "extra": {}}
    with people.enter("mia") as mia:
        assert seen(mia) == expected | {"extra": {"mail": "mia@example.org", "teams": ["red", "blue"]}}
    with people.router.caller("alice") as alice:
        assert seen(alice) == expected | {"name": "alice", "authid": "alice"}


def test_other_fields_are_there_with_the_next_login(people: People, who: Author) -> None:
    people.add("olga", team="red")
    with people.enter("olga") as olga:
        assert seen(olga)["extra"] == {"team": "red"}
        assert seen(olga)["extra"] == {"team": "red"}
        people.verb("change", "olga", "team=blue", "floor=3")
    with people.enter("olga") as again:
        assert seen(again)["extra"] == {"team": "blue", "floor": 3}


def test_events_say_it_too_and_stay_in_order(people: People, who: Author) -> None:
    people.add("paula", team="green")
    with people.enter("paula") as paula:
        for number in range(20):
            paula.publish("app.who.news", number)
        until(lambda: len(paula.call("app.who.published")) == 20)
        assert paula.call("app.who.published") == [[number, "paula", "green"] for number in range(20)]


def test_while_the_program_is_away_who_is_logged_in_is_still_known(people: People, who: Author) -> None:
    people.add("rosa", team="red")
    with people.enter("rosa") as rosa:
        people.stop()
        try:
            assert seen(rosa)["extra"] == {"team": "red"}
        finally:
            people.start()


def test_a_test_without_a_router_can_say_it_too(tmp_path: Path) -> None:
    author = Author(tmp_path, None, "who").shell("who").module("who", MODULE)
    service = Service(author.file)
    someone = Someone("sara", "sara", "client", {"team": "red"})
    assert service.call("app.who.calls", user=someone)["extra"] == {"team": "red"}
    assert someone.team == "red"
    with pytest.raises(AttributeError, match="no floor; it has: team"):
        _ = someone.floor
