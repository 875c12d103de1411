"""Two routers on two hosts, 20 callers in a closed loop: what is rolled through the routers, and what befalls them.

No lab: both hosts are folders with an svscan each, and the routers are real ones on loopback.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ionman
from ionman import certificate
from ionman.call import Client
from ionman.errors import NotPossible
from ionman.hosts import router_going, router_processes, supervisor
from ionman.hosts.layout import ROUTER, WATCH
from tests.call.loops import Loops, until
from tests.call.test_moving import URI, WORK
from tests.crossbar import CROSSBAR
from tests.host.conftest import HURRIED, Host, Hosts
from tests.runtime.author import Author, Running

CALLERS = 20
VERSIONS = ("26.10.1", "26.10.2")  # the second is the first under another name


pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def under() -> None:
    """No lab is needed here."""


@dataclass
class Fleet:
    """Two hosts, and an author whose service runs on both routers."""

    hosts: list[Host]
    author: Author
    version: str = VERSIONS[0]

    @property
    def addresses(self) -> list[str]:
        return [f"localhost:{one.port}" for one in self.hosts]

    @property
    def ca(self) -> Path:
        return self.hosts[0].layout.ca

    def apply(self, host: Host, *users: str, **rolling: Any) -> bool:
        """Make the router of `host` know `users`, restarting it as a deploy does."""
        others = [one for one in self.addresses if one != f"localhost:{host.port}"]
        how = {"allow_outage": False, "drain_timeout": 30, "others": others, "watch": True} | rolling
        document = json.loads(host.router("ionman", version=self.version, ready_timeout=120, **how))
        realm = document["router"]["realms"][0]
        realm["roles"][0]["permissions"] = [{"uri": "app.", "match": "prefix", "allow": ["call"]}]
        realm["users"] += [{"name": name, "password": f"{name}-password", "role": "client"} for name in users]
        demo = {"name": "demo", "realm": "ionman", "user": "demo", "password": "demo-password", "procedures": [URI]}
        document["router"]["services"] = [demo]
        return host.apply(json.dumps(document)).changed

    def serve(self, *addresses: str) -> Running:
        """An instance, ready on these routers; on all unless they are named."""
        routers = ", ".join(addresses or self.addresses)
        self.author.configure(user="demo", password="demo-password", routers=routers, ca=self.ca)
        return self.author.ready()

    def connect(self, *idempotent: str) -> Client:
        user, password = "alice", "alice-password"
        return ionman.connect(
            self.addresses, user=user, password=password, ca=self.ca, deadline=40.0, idempotent=idempotent
        )

    def node(self, host: Host) -> int:
        return supervisor.status(host.layout, [ROUTER])[ROUTER].pid


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    authority = certificate.authority()
    some = Hosts(HURRIED)
    with ExitStack() as closing:
        closing.callback(some.end_all)
        hosts = [some.another() for _ in range(2)]
        for host in hosts:
            for version in VERSIONS:
                host.crossbar(CROSSBAR, version)
            pair = certificate.leaf(authority, ["localhost"])
            host.certificate.parent.mkdir(parents=True)
            host.certificate.write_bytes(pair.certificate)
            host.certificate.with_suffix(".key").write_bytes(pair.key)
            host.layout.ca.write_bytes(authority.certificate)
        author = Author(tmp_path, None, name="demo").shell("moving").module("moving", WORK)
        closing.callback(author.close)
        two = Fleet(hosts, author)
        for host in hosts:
            two.apply(host, watch=False)
        author.configure(user="demo", password="demo-password", routers=", ".join(two.addresses), ca=two.ca)
        yield two


def works(client: Client, number: int) -> None:
    assert client.call(URI, {"seconds": 0.01, "number": number}) == number


def test_what_is_rolled_through_two_routers_costs_no_call(fleet: Fleet) -> None:
    """Other users, then another Crossbar; none of the calls may run twice."""
    with pytest.raises(NotPossible, match="another one is not well"):
        fleet.apply(fleet.hosts[0], "bob", others=["localhost:9"])
    instances = [fleet.author.ready() for _ in range(2)]
    with ExitStack() as closing:
        clients = [closing.enter_context(fleet.connect()) for _ in range(CALLERS)]
        with Loops(clients, works) as loops:
            for version in VERSIONS:
                fleet.version = version
                for host in fleet.hosts:
                    before = fleet.node(host)
                    assert fleet.apply(host, "bob")
                    assert fleet.node(host) != before
                    assert [line for line in host.lines if "lost" in line] == []
            for one in instances:
                one.until("ready")
        print(f"four restarts: {loops.answered} answered, {len(loops.lost)} lost, slowest {loops.slowest:.2f} s")
        assert loops.lost == []
        assert loops.slowest < 15.0  # far less on a machine that has nothing else to do; see what is printed


def test_an_instance_that_serves_nowhere_else_stops_the_roll(fleet: Fleet) -> None:
    host, other = fleet.hosts
    running = fleet.serve(fleet.addresses[0])
    before = fleet.node(host)
    document = {"ready_timeout": 3}
    with pytest.raises(NotPossible, match=r"demo\..* serves on no other router"):
        _impatient(fleet, host, document)
    assert (fleet.node(host), running.ask()["state"]) == (before, "ready")
    assert fleet.apply(other, "bob")


def test_a_router_that_is_taken_away_costs_no_call(fleet: Fleet) -> None:
    """It stays while an instance serves on no other one; then callers and instances leave it first."""
    going, staying = fleet.hosts
    alone = fleet.serve(fleet.addresses[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(router_going, "HELD", 2.0)
        with pytest.raises(NotPossible, match=r"demo\..* serves on no other router"):
            going.remove(ROUTER)
    assert alone.ask()["state"] == "ready"
    alone.end()
    fleet.serve()
    with ExitStack() as closing:
        clients = [closing.enter_context(fleet.connect()) for _ in range(CALLERS)]
        with Loops(clients, works) as loops:
            until(lambda: loops.answered > 50)
            assert going.remove(ROUTER).changed
            assert {client.router for client in clients} == {fleet.addresses[1]}
            answered = loops.answered
            until(lambda: loops.answered > answered + 50)
        assert loops.lost == []
        assert [line for line in going.lines if "lost" in line] == []
    assert (going.programs, staying.programs) == ([], [ROUTER])
    assert not going.layout.router_configuration.exists()


def _impatient(fleet: Fleet, host: Host, changes: dict[str, Any]) -> None:
    usual = host.router
    host.router = lambda *realms, **more: usual(*realms, **(more | changes))  # type: ignore[method-assign]
    try:
        fleet.apply(host, "bob")
    finally:
        host.router = usual  # type: ignore[method-assign]


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_what_befalls_a_router_costs_nothing_that_may_run_twice(fleet: Fleet, what: signal.Signals) -> None:
    """The watch or the supervisor brings it back, and every instance registers there again."""
    host = fleet.hosts[0]
    for one in fleet.hosts:
        fleet.apply(one)
    instances = [fleet.author.ready() for _ in range(2)]
    log = host.layout.logs / WATCH / "current"
    node = fleet.node(host)
    until(lambda: f"process {node} answers" in log.read_text())
    with ExitStack() as closing:
        clients = [closing.enter_context(fleet.connect(URI)) for _ in range(CALLERS)]
        with Loops(clients, works) as loops:
            until(lambda: loops.answered > 200)
            for process in router_processes.family(node):
                os.kill(process.pid, what)
            struck = time.monotonic()
            until(partial(_renewed, fleet, host, node), 120.0)
            again = time.monotonic() - struck
            for running in instances:
                running.until("ready")
            back = time.monotonic() - struck
        print(
            f"{what.name}: {loops.answered} answered, {len(loops.lost)} lost, slowest {loops.slowest:.2f} s,", end=" "
        )
        print(f"another process after {again:.1f} s, everything registered again after {back:.1f} s")
        assert loops.lost == []
        assert loops.slowest < 15.0


def _renewed(fleet: Fleet, host: Host, node: int) -> bool:
    return fleet.node(host) not in (0, node)
