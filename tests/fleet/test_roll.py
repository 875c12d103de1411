"""A change of a service over three hosts: what goes wrong in the middle, on a lab where the chain stands."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ionman import process
from ionman.errors import IonmanError
from ionman.lab.hosts import Standing
from ionman.plays.playbook import TREE, command, environment
from tests.fleet.deploy import BIN, call, deploy, on, running

pytestmark = pytest.mark.usefixtures("first_report")

# {{ }} is Ansible's: what one host alone gets.
WRONG = "{{ 'wrong' if inventory_hostname == 'host2' else lookup('ansible.builtin.file', lab_dir ~ '/secrets/demo') }}"
SHORT = {"service_soak": 0.5, "service_settle": 0}


def services(title: str, **more: object) -> list[dict[str, object]]:
    """The inventory's one service with another title, which makes another generation."""
    config = {"realm": "ionman", "user": "demo", "title": title, "schedule": "roundrobin"}
    secrets = {"password": "{{ lab_password_demo }}"}
    demo = {"name": "demo", "app": "demo", "version": "1.1.0", "file": "demo.py", "instances": 1}
    return [{**demo, "config": config, "secrets": secrets, "calls": ["app."], **more}]


def titled(lab: Standing, title: str, **variables: object) -> int:
    return deploy(lab, "service", **{**SHORT, "service_list": services(title), **variables})


def instances(lab: Standing) -> dict[str, list[tuple[str, int]]]:
    return {host: [one for one in found if one[0] != "router"] for host, found in running(lab).items()}


def generations(lab: Standing) -> dict[str, set[str]]:
    return {host: {name.split(".")[1] for name, _ in found} for host, found in instances(lab).items()}


def output(lab: Standing) -> str:
    return (lab.directory / "log/test.log").read_text()


@pytest.fixture(scope="module")
def rolled(chain_lab: Standing) -> Iterator[Standing]:
    """The lab with a generation to go back to; afterwards it is as the chain left it."""
    deploy(chain_lab, "service", service_retry=True, **SHORT)
    titled(chain_lab, "Before")
    yield chain_lab
    deploy(chain_lab, "service", service_retry=True, **SHORT)


def test_a_host_that_fails_has_the_others_put_back_and_each_is_told(rolled: Standing) -> None:
    before = generations(rolled)
    with pytest.raises(IonmanError) as caught:
        titled(rolled, "Broken", lab_password_demo=WRONG)
    assert generations(rolled) == before
    verdict = str(caught.value).splitlines()
    told = {line.split()[0]: line for line in verdict[verdict.index("deploy FAILED on host2") + 1 :]}
    assert "put back: host2 failed" in told["host1"]
    assert "SCRAM authentication failed" in told["host2"]
    assert "not begun: host2 failed" in told["host3"] or "put back" in told["host3"]
    assert call(rolled, "app.demo.method1")[0] == 0


def test_a_release_that_failed_is_not_deployed_again_by_accident(rolled: Standing) -> None:
    before = instances(rolled)
    with pytest.raises(IonmanError, match=r"(?s)failed on .*no service was changed"):
        titled(rolled, "Broken", lab_password_demo=WRONG)
    assert instances(rolled) == before


def test_a_host_that_is_off_stops_the_deploy_before_any_service_changes(rolled: Standing) -> None:
    before = instances(rolled)
    rolled.stop("host3")
    try:
        with pytest.raises(IonmanError, match=r"host3 .*cannot be reached") as caught:
            titled(rolled, "Without host3")
        assert "no service was changed" in str(caught.value)
        with pytest.raises(IonmanError, match="host3 dropped out"):  # in the play of the packages
            deploy(rolled, "deploy", service_list=services("Without host3"), deb_tools=[], **SHORT)
    finally:
        rolled.start("host3")
    after = wait_for(lambda: instances(rolled), lambda found: all(found.values()))
    assert {host: after[host] for host in ("host1", "host2")} == {host: before[host] for host in ("host1", "host2")}


def test_a_host_that_is_killed_in_its_turn_is_finished_by_the_next_run(rolled: Standing) -> None:
    """It was nobody's fault, so that the same may be deployed again without a word."""
    before = generations(rolled)
    killed = threading.Thread(target=lambda: wait_and_kill(rolled, "host2"))
    killed.start()
    with pytest.raises(IonmanError, match=r"host2 .*cannot be reached") as caught:
        titled(rolled, "Killed")
    killed.join()
    assert "put back: host2 could not be reached" in str(caught.value)
    rolled.start("host2")
    assert {host: generations(rolled)[host] for host in ("host1", "host3")} == {
        host: before[host] for host in ("host1", "host3")
    }
    assert titled(rolled, "Killed") > 0
    (now,) = {frozenset(found) for found in generations(rolled).values()}
    assert now != frozenset(before["host1"])
    assert titled(rolled, "Killed") == 0


def wait_and_kill(lab: Standing, host: str) -> None:
    """Pull the plug as soon as it is the host's turn."""
    wait_for(lambda: output(lab), lambda text: f"services: {host}: begins" in text)
    lab.kill(host)


def wait_for(ask: Callable[[], Any], fine: Callable[[Any], bool], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = ask()
        if fine(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def test_a_scale_spreads_a_total_and_changes_nothing_else(rolled: Standing) -> None:
    """The inventory moved on to another version and another title meanwhile: what runs is scaled all the same."""
    before = instances(rolled)
    moved = services("Moved on", version="1.0.0")
    deploy(rolled, "scale", service="demo", total=5, service_list=moved, **SHORT)
    after = instances(rolled)
    assert [len(after[host]) for host in rolled.names] == [2, 2, 1]
    assert all(set(before[host]) <= set(after[host]) for host in rolled.names), "what ran goes on running"
    deploy(rolled, "scale", service="demo", total=3, service_list=moved, service_out=["host1"], **SHORT)
    assert [len(instances(rolled)[host]) for host in rolled.names] == [0, 2, 1]


def test_a_rollback_names_no_version_and_the_repository_may_be_down(rolled: Standing) -> None:
    before = generations(rolled)
    on(rolled, "host1", "systemctl stop ionman-repo.service")
    try:
        deploy(rolled, "rollback", service="demo")
    finally:
        on(rolled, "host1", "systemctl start ionman-repo.service")
    after = generations(rolled)
    assert not after["host1"], "nothing ran there"
    assert after["host2"] == after["host3"] != before["host2"]


def test_what_is_not_said_or_not_so_is_refused(rolled: Standing) -> None:
    for wrong in ({"total": "six"}, {"total": 1, "instances": 1}, {}):
        with pytest.raises(IonmanError, match="and either"):
            deploy(rolled, "scale", service="demo", **wrong)
    with pytest.raises(IonmanError, match="no version"):
        deploy(rolled, "rollback", service="demo", version="1.1.0")
    with pytest.raises(IonmanError, match="one of demo"):
        deploy(rolled, "rollback", service="nosuch")


def test_the_verbs_go_the_same_way(rolled: Standing) -> None:
    environ = {**os.environ, "IONMAN_LAB": rolled.lab.name, "ANSIBLE_NOCOLOR": "1"}
    words: list[str | Path] = [BIN / "ionman", "scale", "demo=3", "--", "-e", json.dumps(SHORT)]
    done = process.run(words, env=environ, timeout=200)
    assert done.stdout.splitlines()[-4].startswith("scaled on host1")
    assert [len(instances(rolled)[host]) for host in rolled.names] == [1, 1, 1]
    assert len({frozenset(found) for found in generations(rolled).values()}) == 1, (
        "host1 remembered what the others run"
    )


def test_a_check_of_a_roll_says_what_it_would_do_and_changes_nothing(rolled: Standing) -> None:
    before = instances(rolled)
    for playbook, variables in (
        ("service", {"service_list": services("Checked")}),
        ("scale", {"service": "demo", "total": 6}),
        ("rollback", {"service": "demo"}),
    ):
        words = command(playbook, TREE / "inventory/lab", "--check", "--diff", "-e", json.dumps(variables))
        plain = environment({"IONMAN_LAB": rolled.lab.name, "ANSIBLE_NOCOLOR": "1"})
        done = process.run(words, cwd=TREE, env=plain, timeout=200, check=False)
        assert (done.returncode, "only a check, nothing was changed" in done.stdout) == (0, True), done.stdout
        assert done.stdout.count("would change: demo") == 3, done.stdout
        assert "changed=1" in done.stdout
    assert instances(rolled) == before
