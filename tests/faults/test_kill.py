"""An instance that ends without a word."""

import time

import pytest

from ionman.probe import Limits, Verdict
from ionman.probes.words import report
from tests.faults.scene import CALLERS, Scene
from tests.fleet.deploy import on, tell

pytestmark = pytest.mark.timeout(600)


def killed(scene: Scene, *, idempotent: bool) -> Verdict:
    """The verdict of a probe in which the instance of host2 is killed and comes back."""
    before = scene.running()
    name, pid = next((name, pid) for name, pid in before.items() if name.endswith("on host2"))
    with scene.probing(idempotent=idempotent) as probing:
        time.sleep(3)
        on(scene.lab, "host2", f"kill -9 {pid}")
        time.sleep(5)
        deadline = time.monotonic() + 60
        while scene.running().get(name) in (None, 0, pid):
            assert time.monotonic() < deadline
        time.sleep(3)
    verdict = probing.verdict(Limits(ratio=0))
    tell(report(verdict))
    return verdict


def test_what_was_in_flight_on_it_is_lost_and_no_more(scene: Scene) -> None:
    verdict = killed(scene, idempotent=False)
    assert set(verdict.errors) <= {"wamp.error.canceled"}
    assert verdict.lost <= CALLERS + 20, "each caller has one call, and the open loop those of 0.1 s"
    assert (verdict.doubled, verdict.wrong) == (0, 0)
    assert killed(scene, idempotent=True).faults == []
