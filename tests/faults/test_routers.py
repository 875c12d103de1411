"""Two routers: one comes, breaks in every way, is restarted and goes, each time beside callers of both."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import yaml

import ionman
from ionman.calls.client import Client
from ionman.errors import IonmanError
from ionman.lab import lifecycle, place
from ionman.plays.playbook import TREE
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


@pytest.fixture(autouse=True)
def under() -> None:
    """It has a lab of its own."""


@pytest.fixture(scope="module")
def two() -> Iterator[Scene]:
    """Three hosts, routers on the first two; the second one came by a deploy."""
    scene = stand(NAME, os.getpid())
    scene.lab.forward(SECOND, "host2", place.ROUTER_PORT)
    with nothing_lost(scene, "a router is added"):
        scene.play("deploy")
    yield scene
    lifecycle.down(NAME, tell)


@contextmanager
def nothing_lost(scene: Scene, what: str) -> Iterator[None]:
    """Callers who may not ask twice, of the one router, around what is done."""
    with scene.probing() as probing:
        time.sleep(BASELINE)
        with probing.around():
            yield
        time.sleep(BASELINE)
    verdict = probing.verdict(Limits(ratio=0))
    tell(f"{what}:\n{report(verdict)}")
    assert verdict.faults == []


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
    """How many instances are registered on that router."""
    with connect(two, door) as ops:
        number = ops.call("wamp.registration.lookup", "app.demo.method1")
        return int(ops.call("wamp.registration.count_callees", number)) if number else 0


def answers(two: Scene, door: str) -> bool:
    try:
        connect(two, door).close()
    except IonmanError:
        return False
    return True


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


@pytest.mark.parametrize(
    ("harm", "others", "own"), [(kill, BROKEN, BROKEN), (freeze, BROKEN, SILENT), (cut, SILENT, SILENT)]
)
def test_callers_go_on_elsewhere(two: Scene, harm: Callable[[Scene], None], others: float, own: float) -> None:
    """20 callers of each router; a cut takes the instance of that host, too, with the calls that are on it."""
    broken(two, harm, {"router": others, SECOND: own}, 3)


def test_a_cut_that_takes_a_router_only_is_noticed_by_none_of_the_others(two: Scene) -> None:
    two.variables["service_out"] = ["host2"]
    two.play("service")
    try:
        broken(two, cut, {"router": BROKEN, SECOND: SILENT}, 2)
    finally:
        del two.variables["service_out"]
        two.play("service")


def broken(two: Scene, harm: Callable[[Scene], None], limits: Mapping[str, float], callees: int) -> None:
    """20 callers of each router, in closed loops, idempotent: none is lost, none waits longer than `limits` says."""
    with ExitStack() as closing:
        probes = {door: closing.enter_context(probing(two, door, harm.__name__)) for door in DOORS}
        time.sleep(BASELINE)
        harm(two)
        time.sleep(BASELINE + SILENT)
        if harm is cut:
            two.lab.heal("host2")
        until(lambda: answers(two, SECOND), 90)
        back = until(lambda: registered(two, SECOND) == callees, BACK)
        until(lambda: links(two) == [True, True], 30)
        time.sleep(BASELINE)
    for door, probe in probes.items():
        verdict = probe.verdict(Limits(ratio=0))
        took = longest(verdict)
        tell(f"{harm.__name__}, callers of {door}: longest {took:.2f} s; back {back:.1f} s\n{report(verdict)}")
        assert (verdict.lost, verdict.wrong) == (0, 0)
        assert took < limits[door]


def test_what_is_rolled_through_both_costs_no_call(two: Scene) -> None:
    """Another user, which is a restart of each in turn; new certificates, which are none."""
    two.variables["router_allow_outage"] = False
    with probing(two, SECOND, "rolled") as other, nothing_lost(two, "both are restarted"):
        before = nodes(two)
        two.play("router", router_realms=realms("carol"))
        assert nodes(two).isdisjoint(before)
    with probing(two, SECOND, "renewed") as renewed, nothing_lost(two, "both get another certificate"):
        before = nodes(two)
        two.play("router", router_realms=realms("carol"), certificate_renew_days=90)
        assert nodes(two) == before
    for probe in (other, renewed):
        assert probe.verdict(Limits(ratio=0)).faults == []


def test_a_router_that_is_taken_away_costs_no_call(two: Scene) -> None:
    """By a deploy, when its callers have gone on elsewhere."""
    before = nodes(two)
    two.lab.unforward(SECOND)
    with nothing_lost(two, "a router is taken away"):
        two.play("deploy", router_realms=realms("carol"))
    left = nodes(two)
    assert len(left) == 1, "gone on host2"
    assert left < before, "and not restarted on host1"


def nodes(two: Scene) -> set[tuple[str, int]]:
    """Host and process of each router."""
    found = set()
    for host in two.lab.names:
        rows = json.loads(on(two.lab, host, "ionman host status --json"))
        found |= {(host, row["pid"]) for row in rows if row["program"] == "router"}
    return found


def realms(user: str) -> list[dict[str, Any]]:
    """The lab's, with a user more."""
    described: list[dict[str, Any]] = yaml.safe_load((TREE / "inventory/lab/group_vars/all.yml").read_text())[
        "router_realms"
    ]
    described[0]["users"].append({"name": user, "role": "client", "password": "not-needed-by-anybody"})
    return described
