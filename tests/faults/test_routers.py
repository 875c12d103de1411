"""Two routers, one of which breaks in every way: callers on the other notice nothing, its own go on there."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import ionman
from ionman.calls.client import Client
from ionman.errors import IonmanError
from ionman.lab import lifecycle, place
from ionman.probe import Limits, Verdict
from ionman.probes import Probing
from ionman.probes.words import report
from tests.faults.scene import BASELINE, CALLERS, RATE, SERVICE, Scene, stand
from tests.fleet.deploy import on, tell

pytestmark = pytest.mark.timeout(900)
NAME = "routers"
SECOND = "router2"
DOORS = ("router", SECOND)
BROKEN, SILENT = 1.0, 5.0  # s in which a caller is answered elsewhere
BACK = 15.0  # s after which everything is registered again on a router that is back


@pytest.fixture(scope="module")
def two() -> Iterator[Scene]:
    """Three hosts, routers on the first two; the second one came by a deploy."""
    scene = stand(NAME, os.getpid())
    scene.lab.forward(SECOND, "host2", place.ROUTER_PORT)
    with scene.probing() as probing:
        time.sleep(BASELINE)
        with probing.around():
            scene.play("deploy")
        time.sleep(BASELINE)
    verdict = probing.verdict(Limits(ratio=0))
    tell(f"adding a router:\n{report(verdict)}")
    assert verdict.faults == []
    yield scene
    lifecycle.down(NAME, tell)


def connect(two: Scene, *doors: str) -> Client:
    ports = place.load(two.lab.lab.name).forwards
    addresses = [f"localhost:{ports[door]}" for door in doors]
    return ionman.connect(addresses, user="ops", password=two.secret("ops"), ca=two.lab.directory / "ca/ca.pem")


def links(two: Scene) -> list[bool]:
    """Whether the link of each router is up."""
    said = [json.loads(on(two.lab, host, "ionman host links --json")) for host in ("host1", "host2")]
    return [link["up"] for one in said for realm in one.values() for link in realm["links"].values()]


def until(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds
        time.sleep(0.2)
    return time.monotonic() - began


def registered(two: Scene, door: str) -> int:
    """How many instances are registered on that router; none while it does not answer."""
    try:
        with connect(two, door) as ops:
            number = ops.call("wamp.registration.lookup", "app.demo.method1")
            return int(ops.call("wamp.registration.count_callees", number)) if number else 0
    except IonmanError:
        return 0


def kill(two: Scene) -> None:
    on(two.lab, "host2", "pkill -KILL crossbar")


def freeze(two: Scene) -> None:
    on(two.lab, "host2", "pkill -STOP crossbar")


def cut(two: Scene) -> None:
    two.lab.cut("host2")


def longest(verdict: Verdict) -> float:
    """Seconds that a call took."""
    return max(one.worst or 0.0 for loop in verdict.latency.values() for one in loop.values()) / 1000


def probing(two: Scene, door: str, name: str) -> Probing:
    """20 callers of that router, who go on at the other one."""
    history = two.lab.directory / f"log/{name}-{door}.jsonl"
    doors = sorted(DOORS, key=lambda one: one != door)
    return Probing(lambda: connect(two, *doors), SERVICE, RATE / 2, history, callers=CALLERS, idempotent=True)


@pytest.mark.parametrize(("harm", "limit"), [(kill, BROKEN), (freeze, SILENT), (cut, SILENT)])
def test_callers_go_on_elsewhere(two: Scene, harm: Callable[[Scene], None], limit: float) -> None:
    """20 callers of each router, in closed loops, idempotent: none is lost; those of the other do not notice."""
    with ExitStack() as closing:
        probes = {door: closing.enter_context(probing(two, door, harm.__name__)) for door in DOORS}
        time.sleep(BASELINE)
        harm(two)
        time.sleep(BASELINE + limit)
        if harm is cut:
            two.lab.heal("host2")
        back = until(lambda: registered(two, SECOND) == 3, 90)
        until(lambda: links(two) == [True, True], 30)
        time.sleep(BASELINE)
    for door, probe in probes.items():
        verdict = probe.verdict(Limits(ratio=0))
        took = longest(verdict)
        tell(f"{harm.__name__}, callers of {door}: longest {took:.2f} s; back {back:.1f} s\n{report(verdict)}")
        assert (verdict.lost, verdict.doubled if door == "router" else 0, verdict.wrong) == (0, 0, 0)
        assert took < (limit if door == SECOND else BROKEN)
