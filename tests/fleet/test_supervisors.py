"""The same scenarios under daemontools and under systemd, on a real host: nobody can tell them apart by the door."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ionman.hosts.supervisors.systemd import OURS
from ionman.lab import lifecycle
from ionman.lab.hosts import Standing
from tests.fleet.conftest import tell
from tests.fleet.supervised import LEFT, LOG, NAME, STATE, Host, Supervised, until

LAB = "test-supervise"
HOSTS = {"svc": "host1", "systemd": "host2"}
UNITS = "/etc/systemd/system"
OTHER = {"svc": "systemd", "systemd": "svc"}
SVC, SYSTEMD = {"run", "log/run", "confine"}, {"service", "log.service", "pace.sh"}  # whose a program's folder is
Scenario = Callable[[Supervised], None]


@pytest.fixture(scope="module")
def hosts() -> Iterator[dict[str, Host]]:
    """One host for each supervisor, gone with this run even when that is killed."""
    lifecycle.down(LAB, tell)
    lifecycle.up(LAB, len(HOSTS), os.getpid(), tell)
    lab = Standing(LAB)
    some = {kind: Host(lab, name) for kind, name in HOSTS.items()}
    yield some
    for one in some.values():
        one.close()
    lifecycle.down(LAB, tell)


def under(*kinds: str) -> Callable[[Scenario], Callable[[dict[str, Host]], None]]:
    """Let a scenario be played under each of these supervisors at the same time, for it is mostly waiting."""

    def made(scenario: Scenario) -> Callable[[dict[str, Host]], None]:
        def play(host: Host, kind: str) -> None:
            one = Supervised(host, kind)
            try:
                scenario(one)
            except BaseException as error:
                error.add_note(f"under {kind}")
                raise
            finally:
                one.end()

        def test(hosts: dict[str, Host]) -> None:
            with ThreadPoolExecutor(len(kinds)) as pool:
                played = [pool.submit(play, hosts[kind], kind) for kind in kinds]
            for one in played:
                one.result()

        test.__doc__ = scenario.__doc__
        return test

    return made


def probe(one: Supervised) -> dict[str, Any]:
    until("it has started", lambda: one.said(f"cat {STATE}/probe.json"))
    seen: dict[str, Any] = json.loads(one.said(f"cat {STATE}/probe.json"))
    return seen


@under("svc", "systemd")
def test_it_runs_with_its_rights_only(one: Supervised) -> None:
    pid = one.start()
    status, enabled, installed, about, failures = one.calls(
        *(["status", [NAME]], ["enabled", NAME], ["installed"], ["about", NAME], ["failures", NAME])
    )
    assert (status[NAME]["supervised"], status[NAME]["up"], status[NAME]["pid"]) == (True, True, pid)
    assert 0 <= status[NAME]["seconds"] < 30
    assert (enabled, installed, about["service"], failures) == (True, [NAME], "try", 0)
    seen = probe(one)
    assert one.said("id -un " + str(seen["uid"])) == "ionman-try"
    assert len(seen["groups"]) == 1
    assert seen["rights"].pop("NoNewPrivs") == "1"
    assert set(seen["rights"].values()) == {"0" * 16}
    assert seen["writable"] == ["/tmp", "/var/tmp", "/dev/shm", STATE, f"/run/ionman/{NAME}"]
    assert seen["private"] == []
    assert seen["environment"] == {
        "GREETING": 'two "words"; $HOME 5% \\',
        "USER": None,
        "LISTEN_FDS": None,
        "SHELL": None,
    }
    assert seen["arguments"] == ["it's", 'a "$HOME" %h\\']
    assert (seen["open_files"], seen["data"], seen["umask"]) == ([4096, 4096], 512 << 20, "0027")
    until("its first line is in the log", lambda: f"starting {pid}" in one.log())
    assert one.said(f"stat -c '%U %a' {LOG} {LOG}/current").split() == ["ionman-log", "750", "ionman-log", "644"]


@under("svc", "systemd")
def test_what_was_killed_comes_back(one: Supervised) -> None:
    pid = one.start()
    one.said("pkill -9 -f [r]elay.py; pkill -9 multilog")
    one.said(f"kill -9 {pid}")
    again = one.pid(other_than=pid)
    assert one.call("failures", NAME) == 1
    until("its first line is in the log", lambda: f"starting {again}" in one.log())
    assert "for the 1. time in a row; starting again in 1 s" in one.log()


@under("svc", "systemd")
def test_one_that_cannot_run_is_started_less_and_less(one: Supervised) -> None:
    one.calls(["install", one.program("crash")], ["enable", NAME])
    until("it has failed three times", lambda: one.call("failures", NAME) >= 3)
    assert one.up()
    assert "for the 3. time in a row; starting again in 4 s" in one.log()
    began = time.monotonic()
    assert one.call("drain", {NAME: 20.0}) == []  # also while it waits for its next start
    assert time.monotonic() - began < 10
    assert not one.up()


@under("svc", "systemd")
def test_drained_it_may_finish_and_stays_down(one: Supervised) -> None:
    pid = one.start("slow")
    assert one.call("drain", {NAME: 20.0}) == []
    assert one.said(f"ls -d /proc/{pid}") == ""
    assert until("its last line is in the log", lambda: one.log().endswith("finished"))
    assert not one.up()
    assert not one.call("enabled", NAME)
    one.calls(["enable", NAME], ["await_supervised", [NAME]], ["up", [NAME]])
    assert one.pid(other_than=pid)


@under("svc", "systemd")
def test_what_does_not_end_is_killed(one: Supervised) -> None:
    pid = one.start("stubborn")
    probe(one)
    began = time.monotonic()
    assert one.call("drain", {NAME: 1.0}) == [NAME]
    assert 1 < time.monotonic() - began < 10
    assert one.said(f"ls -d /proc/{pid}") == ""
    assert not one.up()


@under("svc", "systemd")
def test_a_restart_is_another_process(one: Supervised) -> None:
    pid = one.start()
    one.call("restart", NAME, pid, 20.0)
    pid = one.pid(other_than=pid)
    one.calls(["update", one.program("stubborn")], ["enable", NAME], ["restart", NAME, pid, 20.0])
    pid = one.pid(other_than=pid)
    until("it ignores TERM", lambda: "stubborn" in one.said(f"tr '\\0' ' ' </proc/{pid}/environ"))
    probe(one)
    one.call("restart", NAME, pid, 1.0)
    assert one.pid(other_than=pid)


@under("svc", "systemd")
def test_a_reboot_brings_it_up_again(one: Supervised) -> None:
    one.start()
    one.said(f"rm {STATE}/probe.json")
    one.host.reboot()
    probe(one)
    assert one.pid()
    one.call("drain", {NAME: 20.0})
    one.said(f"rm {STATE}/probe.json")
    one.host.reboot()
    assert not one.call("enabled", NAME)
    assert one.said(f"ls {STATE}") == ""


@under("svc", "systemd")
def test_killed_on_the_way_it_can_be_finished(one: Supervised) -> None:
    install: list[Any] = ["install", one.program()]
    enable: list[Any] = ["enable", NAME]
    # A folder is made in the same way under both, so once is enough.
    first, killed = ([], [install, enable]) if one.kind == "svc" else ([install], [enable])
    end = [["sweep"], ["drain", {NAME: 2.0}], ["remove", [NAME]]]
    looks = [["enabled", NAME], ["installed"]]
    found = one.call("at_each_step", first, killed, [["sweep"], install, enable, *looks, *end], "")
    assert len(found) > 5
    assert [answers[3:5] for answers in found] == [[True, [NAME]]] * len(found)


@under("svc", "systemd")
def test_killed_while_it_is_removed_nothing_is_left(one: Supervised) -> None:
    start = [["install", one.program()], ["enable", NAME]]
    end = [["drain", {NAME: 2.0}], ["remove", [NAME]]]
    found = one.call("at_each_step", start, end, [["sweep"], *end], f"rm -rf /run/ionman/{NAME}; {LEFT}")
    assert len(found) > 3
    assert {answers[-1].strip() for answers in found} == {one.before}


@under("systemd")
def test_units_without_a_program_are_swept(one: Supervised) -> None:
    one.start()
    one.said(f"rm -rf /var/lib/ionman/supervise/{NAME}")
    one.said(f"cd {UNITS}; echo '{OURS}' | tee .half.new >ionman-kept.service.bak; touch ionman-own.service")
    one.call("sweep")
    left = one.said(f"cd {UNITS}; ls -A ionman-* .*.new; rm ionman-own.service ionman-kept.service.bak")
    assert left.split() == ["ionman-kept.service.bak", "ionman-own.service"]


@under("svc", "systemd")
def test_a_full_disk_never_stops_it_and_the_log_stays_small(one: Supervised) -> None:
    def wrote() -> int:
        return int(one.said(f"cat {STATE}/wrote") or 0)

    one.said(f"mkdir -p {LOG} && mount -t tmpfs -o size=96k,uid=$(id -u ionman-log) tmpfs {LOG}")
    one.start("chatty")
    until("it went on writing", lambda: wrote() > 4e6)
    one.said(f"mount -o remount,size=64m {LOG}")
    until("it is said what was dropped", lambda: one.said(f"grep -l 'were dropped here' {LOG}/*"))
    much = wrote() + 15e6
    until("it wrote more than is kept", lambda: wrote() > much)
    assert int(one.said(f"du -sb {LOG}").split()[0]) < 11.5e6
    one.calls(["drain", {NAME: 20.0}], ["remove", [NAME]])
    one.said(f"umount {LOG}")


@under("svc", "systemd")
def test_it_may_change_its_supervisor(one: Supervised) -> None:
    pid = one.start()
    other = {**one.program(), "supervisor": OTHER[one.kind]}
    # In between it is still the old one's, also for an apply that finds it so.
    holders = one.calls(["holder", NAME], ["update", other], ["holder", NAME], ["enable", NAME], ["holder", NAME])[::2]
    assert holders == [one.kind, one.kind, OTHER[one.kind]]
    one.call("await_supervised", [NAME])
    assert one.said(f"ls -d /proc/{pid}") == ""
    assert one.pid(other_than=pid)
    assert one.calls(["kind", NAME], ["enabled", NAME]) == [OTHER[one.kind], True]
    assert one.said("pgrep -fc '[s]tandin.py'") == "1"
    files = set(
        one.said(f"cd /var/lib/ionman/supervise/{NAME}; ls run log/run confine service log.service pace.sh").split()
    )
    assert files == (SYSTEMD if one.kind == "svc" else SVC)
    units = one.said(f"systemctl list-units --all --plain --no-legend 'ionman-{NAME}*'").splitlines()
    assert len(units) == (3 if one.kind == "svc" else 0)


@under("svc", "systemd")
def test_it_starts_behind_those_that_serve(one: Supervised) -> None:
    def share(pid: int) -> str:
        weight = one.said(f"systemctl show -P CPUWeight ionman-{NAME}")
        return weight if one.kind == "systemd" else one.said(f"ps -o ni= -p {pid}")

    low, normal = ("20", "100") if one.kind == "systemd" else ("10", "0")
    pid = one.start(gentle=True)
    assert share(pid) == low
    one.call("normal_priority", NAME)
    assert share(pid) == normal
    one.said(f"touch /var/lib/ionman/supervise/{NAME}/proven; kill -9 {pid}")
    assert share(one.pid(other_than=pid)) == normal


@under("systemd")
def test_systemd_knows_when_it_is_ready_and_how_little_it_may(one: Supervised) -> None:
    one.start("waits")
    probe(one)
    show = f"systemctl show -P ActiveState ionman-{NAME}"
    assert one.said(show) == "activating"
    pid = one.pid()
    one.calls(["update", one.program()], ["enable", NAME], ["restart", NAME, pid, 20.0])
    until("systemd was told that it is ready", lambda: one.said(show) == "active")
    for unit in (f"ionman-{NAME}.service", f"ionman-{NAME}-log.service"):
        verdict = one.said(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
        assert float(verdict.split(": ")[1].split()[0]) <= 4, verdict
    assert one.said(f"systemd-analyze verify /etc/systemd/system/ionman-{NAME}* 2>&1") == ""
