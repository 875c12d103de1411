"""A real router, real instances, a real probe: what a drain, a naive restart and a kill look like to the checker."""

import signal
import time
from collections.abc import Callable
from statistics import median

import pytest

from ionman.probe import Limits, Verdict
from ionman.probes import Probing
from ionman.probes.history import NUMBER, read
from tests.probe.conftest import Probe
from tests.probe.fleet import Instances

ANY_LATENCY = Limits(ratio=0)  # starting Python takes one of two cores from everybody for a second
OLD, NEW = "aaaaaaaa", "bbbbbbbb"


def until(met: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def call_for(probing: Probing, seconds: float) -> None:
    ends = probing.record.at() + seconds
    until(lambda: probing.record.at() >= ends)


def test_start_then_drain_loses_nothing(instances: Instances, probe: Probe) -> None:
    old = [instances.start(OLD) for _ in range(2)]
    with probe(callers=4) as probing:
        call_for(probing, 2)
        with probing.around():
            for name in old:
                instances.start(NEW)
                instances.drain(name)
        call_for(probing, 2)
    verdict = probing.verdict(Limits(ratio=0, callees=2))
    assert verdict.faults == []
    assert (verdict.sent, verdict.lost, verdict.doubled, verdict.wrong, verdict.again) == (verdict.answered, 0, 0, 0, 0)
    assert verdict.callees == (2, 3)
    assert [reign.generation for reign in verdict.generations] == [OLD, NEW]
    assert verdict.ratios["open"] is not None
    assert verdict.ratios["closed"] is not None


def test_a_naive_restart_is_found(instances: Instances, probe: Probe) -> None:
    old = [instances.start(OLD) for _ in range(2)]
    with probe() as probing:
        call_for(probing, 1)
        with probing.around():
            for name in old:
                instances.drain(name)
            for _ in old:
                instances.start(NEW)
        call_for(probing, 1)
    verdict = probing.verdict(Limits(ratio=0, callees=2))
    assert verdict.lost > 5
    assert set(verdict.errors) == {"wamp.error.no_such_procedure"}
    assert verdict.callees is not None
    assert verdict.callees[0] == 0
    assert ["lost" in fault for fault in verdict.faults] == [True, False]
    assert "only 0 callees" in verdict.faults[1]


def slow(probing_of: Probe, **how: object) -> Probing:
    """Calls that take 0.2 s, so that some are always in flight."""
    wanted = {"status": "OK", "n": NUMBER}
    return probing_of(uri="app.probed.slow", argv={"n": NUMBER}, answer=wanted, callers=8, user="alice", **how)


def kill_one(instances: Instances, probing: Probing) -> Verdict:
    victim, _ = instances.start(OLD), instances.start(OLD)
    with probing:
        call_for(probing, 1)
        assert instances.running[victim].ask()["in_flight"] > 0
        instances.kill(victim)
        call_for(probing, 1)
    return probing.verdict(ANY_LATENCY)


def test_a_kill_loses_at_most_what_was_in_flight(instances: Instances, probe: Probe) -> None:
    verdict = kill_one(instances, slow(probe, rate=50))
    most = 50 * 0.2 + 8  # open loop: rate times duration, and each caller of the closed loop
    assert 0 < verdict.lost <= most
    assert set(verdict.errors) == {"wamp.error.canceled"}
    assert (verdict.doubled, verdict.wrong) == (0, 0)


def test_a_kill_loses_nothing_where_calls_may_be_repeated(instances: Instances, probe: Probe) -> None:
    verdict = kill_one(instances, slow(probe, rate=50, idempotent=True))
    assert verdict.faults == []
    assert verdict.again > 0


def test_latency_counts_from_when_a_call_was_due(instances: Instances, probe: Probe) -> None:
    """A service that stands still for a second makes every call slow that was due in it, not one."""
    name = instances.start(OLD)
    popen = instances.running[name].popen
    with probe(rate=100) as probing:
        call_for(probing, 1)
        popen.send_signal(signal.SIGSTOP)
        call_for(probing, 1)
        popen.send_signal(signal.SIGCONT)
        call_for(probing, 1)
    with probing.history.open() as text:
        took = [reply.took or 0.0 for reply in read(text).replies]
    assert probing.verdict(ANY_LATENCY).faults == []
    assert sum(one > 500 for one in took) >= 45
    assert sum(one > 100 for one in took) >= 85


def test_the_rate_is_kept(instances: Instances, probe: Probe) -> None:
    instances.start(OLD)
    with probe(rate=400) as probing:
        call_for(probing, 2)
    with probing.history.open() as text:
        history = read(text)
    assert history.ended is not None
    assert len(history.replies) == pytest.approx(history.ended * 400, rel=0.1)
    assert median(reply.late for reply in history.replies) < 20, "ms that the prober itself was behind"


def test_a_verdict_ends_the_probe(instances: Instances, probe: Probe) -> None:
    instances.start(OLD)
    with probe() as probing:
        call_for(probing, 0.2)
        assert probing.verdict(ANY_LATENCY).callees == (1, 1)


def test_a_call_that_never_ends_is_lost(instances: Instances, probe: Probe) -> None:
    name = instances.start(OLD)
    with probe(rate=20, deadline=1.0) as probing:
        call_for(probing, 1)
        instances.running[name].popen.send_signal(signal.SIGSTOP)
        call_for(probing, 0.5)
    instances.running[name].popen.send_signal(signal.SIGCONT)
    verdict = probing.verdict(ANY_LATENCY)
    assert verdict.lost >= 5
    assert set(verdict.errors) == {"Late"}
    assert verdict.sent == verdict.answered + verdict.lost


def test_who_may_not_ask_for_the_callees_does_not_know_them(instances: Instances, probe: Probe) -> None:
    instances.start(OLD)
    with slow(probe) as probing:
        call_for(probing, 0.2)
    assert probing.verdict(ANY_LATENCY).callees is None
