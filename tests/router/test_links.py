"""Events over two linked routers: each subscriber hears each event once, whatever breaks in between."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.router.linked import Ear, Mouth, Pair, Told, connect, pair, until
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
