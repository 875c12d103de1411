"""One deploy at a time: real routers, real ansible-playbook, killed in every way."""

import os
import signal
from pathlib import Path

from tests.crossbar import Crossbar
from tests.lock.conftest import Controller, until

LOCK = "ionman.deploy.lock"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def free(*routers: Crossbar) -> bool:
    return not any(LOCK in router.registrations() for router in routers)


def test_the_second_is_refused_and_told_who_is_at_it(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    first = controller.run("first", "-e", "service=demo").began()
    holder = first.holder()
    second = controller.run("second")
    assert second.end() == 2, second.output
    said = second.output
    assert "another deploy is at work" in said
    assert f"for deploy demo (process {first.child.pid}), on {controller.routers[0]}" in said or (
        f"for deploy demo (process {first.child.pid}), on {controller.routers[1]}" in said
    )
    assert "lock_wait=600" in said
    assert not (controller.here / "began-second").exists()
    controller.go_on()
    assert first.end() == 0, first.output
    assert controller.left() == []
    assert free(router, second_router)
    until(lambda: not alive(holder), 10)


def test_a_killed_deployer_frees_it_within_seconds(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    first = controller.run("first").began()
    holder = first.holder()
    os.kill(first.child.pid, signal.SIGKILL)
    until(lambda: not alive(holder), 5)
    assert free(router, second_router)
    assert controller.left() == []
    first.end()
