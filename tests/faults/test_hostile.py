"""A minute of hostile input, and a thousand connections that go no further: the other clients do not notice.

They need no lab: a real Crossbar on loopback, the hostile client from 127.0.0.2.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crossbar import Crossbar
from tests.fleet.deploy import tell
from tests.router.peers import calls, hostile, limit, p99, worker

SECONDS = 60


@pytest.fixture(autouse=True)
def under() -> None:
    """Not under a supervisor: the folder's own fixture would bring a lab up."""


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    crossbar = Crossbar(tmp_path_factory.mktemp("attacked"))
    yield crossbar.start()
    crossbar.kill()


def memory(pid: int) -> int:
    """Resident KiB of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["malformed", "half-open"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_minute_of_it(attacked: Crossbar, how: str, seed: int) -> None:
    pid, log, before = worker(attacked), attacked.log.stat().st_size, memory(worker(attacked))
    quiet = calls(attacked, 5)
    with limit(pid) as allowed, hostile(attacked, how, SECONDS, seed) as done:
        took = calls(attacked, SECONDS)
    grown = attacked.log.stat().st_size - log
    figures = (
        f"p99 {1e3 * p99(took):.1f} ms of {1e3 * allowed[0]:.0f}, at most {1e3 * max(took):.1f}, {len(took)} calls"
    )
    tell(f"{how}: {json.dumps(done)}; {figures} (quiet {1e3 * p99(quiet):.1f})")
    tell(f"log {grown} octets more, memory {before} -> {memory(pid)} KiB")
    assert worker(attacked) == pid
    assert p99(took) < allowed[0]
    assert grown < 2_000_000
    assert memory(pid) - before < 100_000
    assert attacked.call("wamp.session.count", user="ops") < 20
