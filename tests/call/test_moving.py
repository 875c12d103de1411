"""Callers and callees of two real routers, one of which is about to go away: it is said before, and costs no call."""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ionman
from ionman.call import Account, Client
from ionman.errors import WampError
from ionman.hosts.router_leave import leave
from ionman.leaving import LEAVING
from tests.call.loops import Loops, until
from tests.call.relay import Relay
from tests.crossbar import Crossbar
from tests.runtime.author import Author, Running

CALLERS = 8
URI, KEPT = "app.t.moving", "app.t.keeping"
WORK = """
async def app_t_moving(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, argv["seconds"])
    return argv["number"]
"""


@pytest.fixture
def pair(router: Crossbar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crossbar, Crossbar]]:
    """The router that is to go, and the one that all tests share."""
    going = Crossbar(tmp_path_factory.mktemp("going"), authority=router.authority)
    yield going.start(), router
    going.kill()


def connect(routers: list[Crossbar], user: str) -> Client:
    addresses = [one.address for one in routers]
    return ionman.connect(addresses, user=user, password=routers[0].users[user], ca=routers[0].ca, deadline=40.0)


def enter(router: Crossbar, realm: str = "ionman") -> Client:
    return Client([f"unix:{router.door}"], Account(realm), deadline=20)


def drained(going: Crossbar, limit: float = 30.0) -> list[str]:
    """Have everybody leave the router for 8 s; who does not."""
    return leave(partial(enter, going), [going.realm], limit, 8.0, lambda line: None)


def callees(router: Crossbar, uri: str) -> int:
    """How many have registered the procedure there."""
    with enter(router) as host:
        found = host.call("wamp.registration.lookup", uri)
        return len(host.call("wamp.registration.list_callees", found)) if found else 0


def listeners(host: Client, known: Iterable[int] = ()) -> set[int]:
    """The sessions that would hear now that the router goes, without those `known`."""
    found = host.call("wamp.subscription.lookup", LEAVING)
    return set(host.call("wamp.subscription.list_subscribers", found) if found else ()).difference(known)


def works(client: Client, number: int) -> None:
    """One call of an instance and one of a client; neither may run twice."""
    assert client.call(URI, {"seconds": 0.02, "number": number}) == number
    assert client.call(KEPT, number) == number


def slowly(argv: Any) -> Any:
    time.sleep(0.01)
    return argv


def states(running: Running) -> list[str]:
    return [one["state"] for one in running.ask()["routers"].values()]


def test_a_router_that_was_away_takes_callers_again_when_the_next_one_goes(router: Crossbar) -> None:
    """Two ways to one router, which says twice that it goes: over and back, although the first is still to be away."""
    with Relay(router.port) as one, Relay(router.port) as two, enter(router) as host:
        account, addresses = Account("ionman", "alice", router.users["alice"]), [one.address, two.address]
        known = listeners(host)
        with Client(addresses, account, ca=router.ca, deadline=20.0) as client:
            for now, then in ((one, two), (two, one)):
                assert client.router == now.address
                until(partial(listeners, host, known))
                known |= listeners(host)
                host.publish(LEAVING, {"seconds": 60})
                until(lambda then=then: client.router == then.address)  # type: ignore[misc]
        with Client([one.address], account, ca=router.ca, deadline=20.0) as client:
            until(partial(listeners, host, known))
            host.publish(LEAVING, {"seconds": 2})
            until(lambda: not client.router)
            began = time.monotonic()
            with pytest.raises(WampError, match="no_such_procedure"):
                client.call("app.t.nowhere")
            assert time.monotonic() - began > 1.0


def test_a_restart_of_one_of_two_routers_costs_no_call(pair: tuple[Crossbar, Crossbar], tmp_path: Path) -> None:
    """Callers, instances of a service, a client with a registration: all leave, finish what is in flight, come back."""
    going, other = pair
    author = Author(tmp_path, other).shell("moving").module("moving", WORK)
    author.configure(host=None, port=None, routers=f"{going.address}, {other.address}")
    with ExitStack() as closing:
        closing.callback(author.close)
        instances = [author.ready() for _ in range(2)]
        for one in pair:
            closing.enter_context(connect([one], "myserviceusername")).register(KEPT, slowly, "roundrobin")
        clients = [closing.enter_context(connect([going, other], "alice")) for _ in range(CALLERS)]
        lost: list[Any] = []
        clients[0].on_lost(lost.append)
        with Loops(clients, works) as loops:
            until(lambda: loops.answered > 50)
            assert {client.router for client in clients} == {going.address}
            long = clients[0].submit(URI, {"seconds": 3.0, "number": -1})
            assert drained(going) == []
            assert (long.result(0), long.tries, long.router) == (-1, 1, going.address)
            assert {client.router for client in clients} == {other.address}
            assert [states(one) for one in instances] == [["connecting", "ready"]] * 2
            going.restart()
            for running in instances:
                running.until("ready")
            until(lambda: (callees(going, URI), callees(going, KEPT)) == (2, 1))
        assert (loops.lost, lost) == ([], [])
        assert loops.slowest < 5.0  # 0.1 s on a machine that has nothing else to do
        assert drained(going, limit=0.5) == ["myserviceusername"]  # too short a time: who still serves is told
