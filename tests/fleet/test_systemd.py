"""The same rolls under daemontools and under systemd, at once on two hosts of the chain, and no call is lost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from ionman.call import Account, Client
from ionman.lab.hosts import Standing
from ionman.probe import Limits
from ionman.probes import Probing
from ionman.probes.words import report
from tests.fleet.deploy import SHORT, deploy
from tests.fleet.sides import Done, Side, Sides, at_once

HOSTS = {"svc": "host2", "systemd": "host3"}
BY_HOST = "{{ 'systemd' if inventory_hostname == 'host3' else 'svc' }}"
QUICK = {"soak": 0.5, "surge": 1, "retry": True}
Counted = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def counted(chain_lab: Standing, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    """Numbered calls while something is done; every one must be answered, once and rightly."""

    def connect() -> Client:
        account = Account("ionman", "ops", (chain_lab.directory / "secrets/ops").read_text().strip())
        return Client([f"localhost:{chain_lab.router_port}"], account, ca=chain_lab.directory / "ca/ca.pem")

    @contextmanager
    def during(mark: str = "rolling", **how: Any) -> Iterator[None]:
        history = tmp_path_factory.mktemp("probe") / "history.jsonl"
        with Probing(connect, "demo", 100, history, callers=5, **how) as probing:
            probing.mark(mark)
            yield
            verdict = probing.verdict(Limits(ratio=0, callees=0 if how else 3))
        assert verdict.clean, report(verdict)

    return during


@pytest.fixture(scope="module")
def sides(chain_lab: Standing, first_report: object, counted: Counted) -> Iterator[Sides]:
    """Systemd has the service of host3, by the inventory; afterwards all is as the chain left it."""
    del first_report
    some = {kind: Side(chain_lab, kind, host) for kind, host in HOSTS.items()}
    before = some["svc"].pids()
    at_once(some, Side.know)
    entries = {kind: side.entry for kind, side in some.items()}
    with counted():
        deploy(chain_lab, "service", service_supervisor=BY_HOST, **SHORT)
    assert some["svc"].pids() == before
    at_once(some, Side.know)
    yield some
    at_once(some, lambda side: side.apply(**{**side.entry, **entries[side.kind], "supervisor": "svc", "retry": True}))


def test_each_is_the_supervisors_that_the_inventory_says(sides: Sides) -> None:
    assert {kind: (side.units(), side.links()) for kind, side in sides.items()} == {"svc": (0, 1), "systemd": (1, 0)}
    assert {kind: side.entry.get("supervisor", "svc") for kind, side in sides.items()} == {
        "svc": "svc",
        "systemd": "systemd",
    }


def test_a_roll_to_another_generation_and_another_number(sides: Sides, counted: Counted) -> None:
    before = at_once(sides, Side.pids)
    with counted():
        assert results(at_once(sides, lambda side: side.apply(title="Second", instances=2, **QUICK))) == {"done"}
    after = at_once(sides, Side.pids)
    for kind in sides:
        assert len(after[kind]) == 2
        assert not set(after[kind]) & set(before[kind])
    with counted():
        assert results(at_once(sides, lambda side: side.apply(instances=1))) == {"done"}
    now = at_once(sides, Side.pids)
    for kind in sides:
        assert len(now[kind]) == 1
        assert now[kind].items() <= after[kind].items(), "what is kept is the same process"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"secrets": {"password": "wrong"}}, "authentication failed"),
        ({"verify": [{"uri": "app.demo.method1", "argv": {}, "answer": {"status": "WRONG"}}]}, "verify: app.demo"),
    ],
    ids=["wrong password", "wrong answer"],
)
def test_a_bad_release_leaves_what_ran(sides: Sides, counted: Counted, change: dict[str, Any], why: str) -> None:
    before = at_once(sides, Side.pids)
    with counted():
        done = at_once(sides, lambda side: side.apply(**change))
    assert all(one.status and why in one.text for one in done.values()), done
    assert at_once(sides, Side.pids) == before
    assert {side.units() for side in sides.values()} == {0, 1}


def test_an_apply_killed_in_the_middle_is_finished_by_the_next(sides: Sides, counted: Counted) -> None:
    before = at_once(sides, Side.pids)
    with counted():
        at_once(sides, lambda side: side.kill_in_the_middle(title="Killed"))
        assert all(before[kind].items() <= side.await_ready(1).items() for kind, side in sides.items())
        assert results(at_once(sides, lambda side: side.apply(title="Killed"))) == {"done"}
    after = at_once(sides, Side.pids)
    assert all(len(after[kind]) == 1 and not set(after[kind]) & set(before[kind]) for kind in sides)
    assert {side.units() for side in sides.values()} == {0, 1}


def test_a_rollback_is_the_generation_before(sides: Sides, counted: Counted) -> None:
    with counted("rollback"):
        assert results(at_once(sides, Side.rollback)) == {"done"}
    assert {side.entry["config"]["title"] for side in sides.values()} == {"Second"}
    told = at_once(sides, lambda side: side.on("ionman host history --last 2"))
    assert all("rollback" in text.splitlines()[-1] for text in told.values()), told


def test_a_killed_instance_comes_back_and_costs_no_call_that_may_be_repeated(sides: Sides, counted: Counted) -> None:
    def kill(side: Side) -> None:
        ((name, pid),) = side.pids().items()
        side.on(f"kill -9 {pid}")
        assert set(side.await_ready(1, other_than=pid)) == {name}

    with counted(idempotent=True):
        at_once(sides, kill)


def test_the_router_may_change_its_supervisor(chain_lab: Standing, sides: Sides) -> None:
    router = Side(chain_lab, "svc", "host1")
    services = at_once(sides, Side.pids)
    first = router.pids()["router"]
    try:
        assert deploy(chain_lab, "router", router_supervisor="systemd") == 1
        second = router.pids()["router"]
        assert second != first
        assert router.on("systemctl show -P MainPID ionman-router").strip() == str(second)
        assert "router" not in router.on("ls /etc/service")
    finally:
        assert deploy(chain_lab, "router") == 1
    assert not router.on("ls /etc/systemd/system | grep ionman-router || true")
    for kind, side in sides.items():
        assert side.await_ready(1) == services[kind], "the services joined again, and went on"


def results(done: dict[str, Done]) -> set[str]:
    """What became of both."""
    assert not any(one.status for one in done.values()), done
    return {one.result for one in done.values()}
