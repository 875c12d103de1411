"""One deploy at a time: real routers, real ansible-playbook, killed in every way."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ionman
from ionman import locks, process
from ionman.lock import Owner
from ionman.locks.hold import Hold
from ionman.locks.post import Login, Post
from tests.crossbar import PASSWORDS, Crossbar, free_port
from tests.lock.conftest import Controller, Run, until

LOCK = "ionman.deploy.lock"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def free(*routers: Crossbar) -> bool:
    return not any(LOCK in router.registrations() for router in routers)


def refused(run: Run, by: Run) -> bool:
    assert run.end() == 2, run.output
    return f"another deploy is at work: {locks.deploy()['who']} has held it since" in run.output and (
        f"(process {by.child.pid}), on" in run.output
    )


def show(router: Crossbar) -> str:
    command = [sys.executable, "-m", "ionman.command.main", "lock", "show", f"--router={router.address}"]
    environment = {**os.environ, "IONMAN_PASSWORD": PASSWORDS["ops"]}
    return process.run([*command, f"--ca={router.ca}"], env=environment, timeout=60).stdout


def show_all(controller: Controller) -> list[str]:
    command = [sys.executable, "-m", "ionman.command.main", "lock", "show", "-i", str(controller.here / "first.yml")]
    return process.run(command, timeout=60).stdout.splitlines()


@contextmanager
def listening(router: Crossbar) -> Iterator[list[tuple[str, Any]]]:
    """The events of all deploys: topic and document."""
    told: list[tuple[str, Any]] = []

    def heard(document: Any, details: Any) -> None:
        told.append((details["topic"].removeprefix("ionman.deploy."), document))

    with ionman.connect([router.address], realm="ionman", user="ops", password=PASSWORDS["ops"], ca=router.ca) as ops:
        ops.subscribe("ionman.deploy.", heard, match="prefix", details=True)
        yield told


def test_the_second_is_refused_and_told_who_is_at_it(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    with listening(router) as told:
        first = controller.run("first", "-e", "service=demo").began()
        holder = first.holder()
        assert f"for deploy demo (process {first.child.pid})" in show(router)
        second, check = controller.run("second"), controller.run("check", "--check")
        assert refused(second, by=first), second.output
        assert "have this run wait: -e lock_wait=600" in second.output
        assert not (controller.here / "began-second").exists()
        assert check.end() == 0, check.output
        assert first.go_on().end() == 0, first.output
        until(lambda: controller.left() == [], 10)
        assert "free" in show(second_router)
        assert show_all(controller) == [f"{router}: free" for router in controller.routers]
        until(lambda: not alive(holder), 10)
        until(lambda: len(told) >= 3, 20)
    assert [topic for topic, _ in told] == ["started", "host", "finished"]
    assert [document["n"] for _, document in told] == [1, 2, 3]
    assert {document["what"] for _, document in told} == {"deploy demo"}
    assert len({document["id"] for _, document in told}) == 1


def test_a_killed_deployer_frees_it_within_seconds_for_who_waits(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    first = controller.run("first").began()
    holder = first.holder()
    second, third = controller.run("second", lock_wait=60), controller.run("third", lock_wait=60)
    until(lambda: all("waiting for the lock, 0 s of 60 s: another deploy" in run.output for run in (second, third)))
    waiting = third.holder()
    third.kill()
    until(lambda: not alive(waiting), 10)
    with listening(router) as told:
        os.kill(first.child.pid, signal.SIGKILL)
        until(lambda: not alive(holder), 10)
        second.began()
        until(lambda: [topic for topic, _ in told] == ["failed", "started"], 20)
    assert told[0][1]["why"] == "the deployer ended before its work was done"
    first.end()
    os.kill(second.child.pid, signal.SIGINT)  # Ctrl-C
    assert second.end() != 0
    until(lambda: controller.left() == [], 10)
    assert free(router, second_router)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_holder_that_is_gone_is_noticed_before_the_next_host(controller: Controller, number: int) -> None:
    run = controller.run("first").began()
    holder = run.holder()
    os.kill(holder, number)
    until(lambda: not alive(holder))
    assert run.go_on().end() == 2, run.output
    assert "the process that held the lock is gone" in run.output


def test_one_router_down_is_a_warning_and_none_at_all_is_too(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    down = f"localhost:{free_port()}"
    first = controller.run("first", lock_routers=[down, router.address]).began()
    assert f"the lock is not held on {down}: {down} refuses connections" in first.output
    assert refused(controller.run("second", lock_routers=[router.address, second_router.address]), by=first)
    alone = controller.run("alone", lock_routers=[down]).began()
    assert "no router can be asked for the lock" in alone.output
    assert "The deploy goes on without it" in alone.output
    assert [run.go_on().end() for run in (first, alone)] == [0, 0], alone.output


def test_without_an_account_it_says_that_there_is_no_lock(controller: Controller) -> None:
    old = controller.run("old", lock_user=None, lock_password=None).began()
    assert "there is no lock: another deploy can run at the same time. Set lock_user, lock_password" in old.output
    assert old.go_on().end() == 0, old.output
    until(lambda: controller.left() == [], 10)


def test_a_login_that_is_refused_stops_before_the_first_host(controller: Controller) -> None:
    run = controller.run("wrong", lock_password="another").began()
    assert "the lock cannot be taken" in run.output
    assert run.go_on().end() == 2
    assert "does not let ops into the realm" in run.output.partition("next_host")[2]
    assert "another" not in run.output.replace("another deploy", "")


def test_of_two_that_start_together_one_gets_it(
    controller: Controller, router: Crossbar, second_router: Crossbar
) -> None:
    """With names that sort alike, and the other way round: one holds both routers, the other none."""
    login = Login("ionman", "ops", PASSWORDS["ops"], controller.here / "ca.pem")
    here, there = router.port, second_router.port
    names = (f"127.0.0.1:{here}", f"localhost:{there}"), (f"localhost:{here}", f"127.0.0.1:{there}")
    for number in range(6):
        pair = [deployer(login, "alice", names[0]), deployer(login, "bob", names[number % 2])]
        found: dict[int, str] = {}
        start = threading.Barrier(2)

        def run(place: int, one: Hold, start: threading.Barrier = start, found: dict[int, str] = found) -> None:
            start.wait()
            found[place] = one.take(0, lambda text: None, lambda: True).state

        threads = [threading.Thread(target=run, args=(place, one)) for place, one in enumerate(pair)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found.values()) == ["held", "refused"]
        assert [len(one.document()["routers"]) for one in pair] == [2 * (found[at] == "held") for at in (0, 1)]
        for one in pair:
            one.release()


def deployer(login: Login, name: str, routers: tuple[str, ...]) -> Hold:
    by = Owner(name, "here", "2026-11-24T10:00:00Z", "deploy", name, 1)
    made: list[Hold] = []
    made.append(Hold([Post(router, login, by, lambda: by.document(settled=made[0].settled)) for router in routers]))
    return made[0]


def test_who_comes_back_to_a_restarted_router_too_late_has_lost_it(tmp_path: Path, own_router: Crossbar) -> None:
    controller = Controller(tmp_path, [own_router.start()])
    try:
        first = controller.run("first").began()
        second = controller.run("second", lock_wait=300)
        until(lambda: "waiting for the lock" in second.output)
        own_router.restart()
        until(lambda: f"process {first.child.pid})" in show(own_router), 60)  # it came back, though one waits for it
        until(lambda: first.state() == "held", 60)  # the answer to its registering is on its way
        holder = first.holder()
        os.kill(holder, signal.SIGSTOP)  # as a machine that sleeps
        own_router.restart()
        second.began()
        os.kill(holder, signal.SIGCONT)
        until(lambda: first.state() == "lost", 60)
        assert first.go_on().end() == 2
        assert "the lock was lost while it was held: another deploy is at work" in first.output
        assert second.go_on().end() == 0, second.output
        until(lambda: controller.left() == [], 10)
    finally:
        controller.close()
