"""Events over two linked routers: each subscriber hears each event once, whatever breaks in between."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ionman import certificate
from ionman.calls import message as wamp
from ionman.errors import IonmanError, Refused
from tests.call.relay import Relay
from tests.router.linked import NAMES, Ear, Mouth, Pair, Told, connect, pair, tell, until
from tests.runtime.author import Author, Running

TALKING = """
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from IonmanClass import RegistrationsClass, SubscriptionsClass

HEARD = []

class Subscriptions(SubscriptionsClass):
    def app_t_news(self, data, details):
        HEARD.append(data)

class Registrations(RegistrationsClass):
    def app_t_begin(self, argv, details):
        self.number, self.told = 0, []
        self.work = LoopingCall(lambda: Deferred.fromCoroutine(self._tell()).addErrback(print) and None)
        self.work.start(0.05)
        return self.ok()

    async def _tell(self):
        self.number += 1
        number = self.number
        await self.publish("app.t.news", ["service", number])
        self.told.append(number)

    def app_t_end(self, argv, details):
        self.work.stop()
        return self.told

    def app_t_heard(self, argv, details):
        return HEARD
"""
LAST = 1.0  # s before the end of a router: what it said then that it took may be lost with it
KILLS = ("one", "two")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("linked")) as made:
        yield made


@pytest.fixture
def talking(two: Pair, tmp_path: Path) -> Iterator[Running]:
    """A service on both routers, which publishes and listens."""
    author = Author(tmp_path, two.one).configure(host=None, port=None, routers=", ".join(two.addresses))
    yield author.shell("demo").module("demo", TALKING).ready()
    author.close()


@pytest.fixture
def heard(two: Pair) -> Iterator[list[tuple[str, str, Any, dict[str, Any]]]]:
    """(router, user, value, details) of every event below `app.t.`, for two users on each router."""
    found: list[tuple[str, str, Any, dict[str, Any]]] = []

    def listen(name: str, user: str, value: Any, details: dict[str, Any]) -> None:
        found.append((name, user, value, details))

    with ExitStack() as closing:
        for name, router in two.routers.items():
            for user in ("bob", "rosa"):
                client = closing.enter_context(connect(router, user))
                hear = functools.partial(listen, name, user)
                client.subscribe("app.t.", hear, match="prefix", details=True).made.result(20)
        yield found


def test_every_router_says_who_published_it_and_to_whom_it_goes(two: Pair, heard: list[Any]) -> None:
    everybody = {(name, user) for name in NAMES for user in ("bob", "rosa")}
    for router in two.routers.values():
        with connect(router) as alice:
            alice.publish("app.t.who", 1)
            until(lambda: len(heard) == 4)
            assert {one[:2] for one in heard} == everybody
            assert {(one[3]["publisher_authid"], one[3]["publisher_authrole"]) for one in heard} == {
                ("alice", "client")
            }
            heard.clear()
            tell(alice, "app.t.who", 2, exclude_authrole=["reader"])
            alice.publish("app.t.who", 3)  # which comes after it, on every router
            until(lambda: len([one for one in heard if one[2] == 3]) == 4)
            assert {one[:2] for one in heard if one[2] == 2} == {(name, "bob") for name in NAMES}
            heard.clear()


def test_only_what_its_publisher_may_publish_goes_further(two: Pair, heard: list[Any]) -> None:
    with connect(two.one, "rosa") as rosa, connect(two.one) as alice, connect(two.one, "ops") as ops:
        with pytest.raises(Refused, match="not_authorized"):
            rosa.publish("app.t.may", "not")
        rosa.publish("app.t.may", "not", acknowledge=False)
        with pytest.raises(IonmanError, match="not_authorized"):
            ops.call("ionman.router.link.take", [])
        alice.publish("app.t.may", "yes")
        until(lambda: len(heard) == 4)
        assert {one[2] for one in heard} == {"yes"}


def test_nobody_speaks_for_another(two: Pair, heard: list[Any]) -> None:
    """Crossbar takes the word of any client for whom it calls or publishes."""
    forged = [{"session": 1, "authid": "ops", "authrole": "ops"}]
    with connect(two.one) as alice, connect(two.one, "myserviceusername") as service:
        tell(alice, "app.t.forged", 1, forward_for=forged)
        until(lambda: len(heard) == 4)
        assert {one[3]["publisher_authid"] for one in heard} == {"alice"}
        service.register("app.t.whoami", lambda *_, details: details["caller_authid"], details=True).made.result(20)
        body = wamp.body(wamp.CALL, {"forward_for": forged}, "app.t.whoami", [])
        assert alice._wait(alice._ask("app.t.whoami", body, 10.0, False, True)) == "alice"


def test_one_key_of_one_publisher_is_one_event_on_whichever_routers_it_is_published(
    two: Pair, heard: list[Any]
) -> None:
    with connect(two.one) as here, connect(two.two) as there, connect(two.two, "myserviceusername") as another:
        for client in (here, there, here):
            tell(client, "app.t.key", "alice", transaction_hash="k1")
        tell(another, "app.t.key", "another", transaction_hash="k1")
        tell(there, "app.t.key", "end")
        until(lambda: len([one for one in heard if one[2] == "end"]) == 4)
        assert Counter(one[2] for one in heard) == {"alice": 4, "another": 4, "end": 4}


def test_ionman_s_own_events_stay_on_their_router(two: Pair, heard: list[Any]) -> None:
    found: list[Any] = []
    with connect(two.one, "ops") as here, connect(two.two, "ops") as there, connect(two.one) as alice:
        there.subscribe("ionman.deploy.host", found.append).made.result(20)
        here.publish("ionman.deploy.host", 1)
        alice.publish("app.t.after", 1)
        until(lambda: len(heard) == 4)
        assert found == []


def test_a_link_that_is_frozen_or_cut_brings_everything_once_and_in_order(two: Pair) -> None:
    with Relay(two.one.port) as to_one, Relay(two.two.port) as to_two, connect(two.one) as alice:
        ear = Ear(connect(two.two))
        two.reach({"one": to_one.address, "two": to_two.address})
        until(lambda: two.link("one")["address"] == to_two.address)
        two.linked()
        numbers = iter(range(1, 10_000))
        for trouble in (to_two.freeze, to_two.cut):
            for _ in range(20):
                alice.publish("app.t.cut", ["alice", next(numbers)])
            trouble()
            for _ in range(20):
                alice.publish("app.t.cut", ["alice", next(numbers)])
            if trouble == to_two.freeze:
                assert len(ear.heard) < 40
                to_two.thaw()
            until(lambda: two.link("one")["waiting"] == 0)
        last = next(numbers) - 1
        until(lambda: ("alice", last) in ear.heard)
        assert ear.heard == {("alice", number): 1 for number in range(1, last + 1)}
        assert list(ear.heard) == sorted(ear.heard)
        two.reach({name: router.address for name, router in two.routers.items()})
        until(lambda: two.link("one")["address"] == two.two.address)
    two.linked()


def test_a_router_that_is_not_trusted_gets_nothing_and_the_state_says_why(two: Pair, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(certificate.authority().certificate)
    links = two.one.description["links"]
    ear = Ear(connect(two.two))
    with connect(two.one) as alice:
        links["ca"] = str(tmp_path / "other.pem")
        two.one.write()
        until(lambda: "authority" in two.link("one")["error"])
        assert "from another authority than those that are trusted" in two.link("one")["error"]
        alice.publish("app.t.trust", ["alice", 1])
        assert (two.link("one")["waiting"], dict(ear.heard)) == (1, {})
        links["ca"] = str(two.one.ca)
        two.one.write()
        two.linked()


def test_each_event_once_while_routers_are_killed_and_come_back(two: Pair, talking: Running) -> None:
    """Who publishes: a client of each router, one that fails over, a service. Who listens: the same kinds."""
    killed: list[tuple[str, float]] = []
    mouths = [
        Mouth("one", connect(two.one)),
        Mouth("two", connect(two.two)),
        Mouth("any", connect([two.one, two.two])),
    ]
    ears = {name: [Ear(connect(router))] for name, router in two.routers.items()}
    with connect([two.one, two.two]) as caller:
        caller.call("app.t.begin")
        for name in KILLS:
            _some_more(mouths[1 if name == "one" else 0])
            killed.append((two.routers[name].address, time.monotonic()))
            ears[name][-1].until = killed[-1][1]
            two.routers[name].kill()
            _some_more(mouths[1 if name == "one" else 0])
            two.routers[name].start()
            ears[name].append(Ear(connect(two.routers[name])))  # before the links are there again
            two.linked()
            talking.until("ready")
        for mouth in mouths:
            _some_more(mouth)
        told = {event: one for mouth in mouths for event, one in mouth.end().items()}
        by_service = {("service", number) for number in caller.call("app.t.end", idempotent=True)}
        must = {event for event, one in told.items() if not _lost_with_its_router(one, killed)}
        _settled(lambda: {(name, number) for name, number in caller.call("app.t.heard")}, must | by_service)
        heard = Counter((name, number) for name, number in caller.call("app.t.heard"))
    assert len(told) > 200
    assert len(by_service) > 50
    assert {event: count for event, count in heard.items() if count > 1} == {}
    assert (must | by_service) - set(heard) == set()
    for ear in (ear for some in ears.values() for ear in some):
        assert {event: count for event, count in ear.heard.items() if count > 1} == {}
        while_there = {event for event in must if ear.since < told[event].sent and told[event].taken < ear.until - LAST}
        assert while_there - set(ear.heard) == set()
        assert sum(1 for publisher, _ in ear.heard if publisher == "service") > 50


def _settled(heard: Callable[[], set[tuple[str, int]]], all_: set[tuple[str, int]]) -> None:
    """Wait until everything is heard; what is missing after a while is lost."""
    deadline = time.monotonic() + 15
    while all_ - heard() and time.monotonic() < deadline:
        time.sleep(0.2)


def _some_more(mouth: Mouth) -> None:
    before = len(mouth.told)
    until(lambda: len(mouth.told) > before + 30)


def _lost_with_its_router(one: Told, killed: list[tuple[str, float]]) -> bool:
    return any(router == one.router and one.taken > when - LAST and one.sent < when for router, when in killed)
