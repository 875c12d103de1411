"""Callers and callees of two real routers, one of which is about to go away: it is said before, and costs no call."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ionman
from ionman.call import Account, Client
from ionman.hosts.router_leave import leave
from tests.crossbar import Crossbar
from tests.runtime.author import Author, Running

CALLERS = 8
URI = "app.t.moving"


@pytest.fixture
def pair(router: Crossbar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crossbar, Crossbar]]:
    """The router that is to go, and the one that all tests share."""
    going = Crossbar(tmp_path_factory.mktemp("going"), authority=router.authority)
    yield going.start(), router
    going.kill()


def connect(routers: list[Crossbar], user: str, **more: Any) -> Client:
    addresses = [one.address for one in routers]
    password = routers[0].users[user]
    return ionman.connect(addresses, user=user, password=password, ca=routers[0].ca, **{"deadline": 40.0} | more)


def enter(router: Crossbar, realm: str = "ionman") -> Client:
    return Client([f"unix:{router.door}"], Account(realm), deadline=20)


def drained(going: Crossbar, *, limit: float = 30.0, away: float = 8.0) -> list[str]:
    return leave(partial(enter, going), [going.realm], limit, away, [].append)


def callees(router: Crossbar) -> int:
    """How many have registered the procedure there."""
    with enter(router) as host:
        found = host.call("wamp.registration.lookup", URI)
        return len(host.call("wamp.registration.list_callees", found)) if found else 0


class Loops:
    """Callers in a closed loop, none of whose calls may run twice."""

    def __init__(self, clients: list[Client], call: Callable[[Client, int], Any]) -> None:
        self._clients, self._call = clients, call
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(len(clients))
        self.answered = 0
        self.slowest = 0.0
        self.lost: list[str] = []

    def __enter__(self) -> "Loops":
        self._running = [self._threads.submit(self._loop, client) for client in self._clients]
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        for one in self._running:
            one.result(60)
        self._threads.shutdown()

    def _loop(self, client: Client) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            try:
                self._call(client, self.answered)
            except ionman.errors.IonmanError as error:
                self.lost.append(str(error))
            self.answered += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


def echo(argv: Any) -> Any:
    time.sleep(0.02)
    return argv


def same(client: Client, number: int) -> None:
    assert client.call(URI, number) == number


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


WORK = """
async def app_t_moving(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, argv["seconds"])
    return argv["number"]
"""


def works(client: Client, number: int) -> None:
    assert client.call(URI, {"seconds": 0.02, "number": number}) == number


def states(running: Running) -> list[str]:
    return [one["state"] for one in running.ask()["routers"].values()]


def test_instances_of_a_service_leave_a_router_that_goes_and_come_back(
    pair: tuple[Crossbar, Crossbar], tmp_path: Path
) -> None:
    going, other = pair
    author = Author(tmp_path, other).shell("moving").module("moving", WORK)
    author.configure(host=None, port=None, routers=f"{going.address}, {other.address}")
    with ExitStack() as closing:
        closing.callback(author.close)
        instances = [author.ready() for _ in range(2)]
        clients = [closing.enter_context(connect([going, other], "alice")) for _ in range(CALLERS)]
        with Loops(clients, works) as loops:
            until(lambda: loops.answered > 100)
            long = clients[0].submit(URI, {"seconds": 3.0, "number": -1})
            assert drained(going) == []
            assert (long.result(0), long.tries, long.router) == (-1, 1, going.address)
            assert [states(one) for one in instances] == [["connecting", "ready"]] * 2
            going.restart()
            for one in instances:
                one.until("ready")
        assert loops.lost == []
        assert callees(going) == 2


def test_a_restart_of_one_of_two_routers_costs_no_call(pair: tuple[Crossbar, Crossbar]) -> None:
    going, other = pair
    with ExitStack() as closing:
        for one in pair:
            closing.enter_context(connect([one], "myserviceusername")).register(URI, echo, "roundrobin")
        clients = [closing.enter_context(connect([going, other], "alice")) for _ in range(CALLERS)]
        lost: list[Any] = []
        clients[0].on_lost(lost.append)
        with Loops(clients, same) as loops:
            until(lambda: loops.answered > 200)
            assert {client.router for client in clients} == {going.address}
            assert drained(going) == []
            assert {client.router for client in clients} == {other.address}
            going.stop()
            before = loops.answered
            until(lambda: loops.answered > before + 200)
            going.start()
            until(lambda: callees(going) == 1)
        assert (loops.lost, lost) == ([], [])
        assert loops.slowest < 5.0  # a second on a machine that has nothing else to do
