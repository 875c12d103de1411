"""The whole chain on a lab of its own, by the demo and by ansible-playbook, and what goes wrong in it."""

import json
import os
import re

import pytest

from ionman.demo.fleet import Fleet
from ionman.demo.report import Report
from ionman.errors import IonmanError
from ionman.lab.hosts import Standing
from tests.fleet.deploy import SHORT, call, check, deploy, on, running, tell

pytestmark = pytest.mark.usefixtures("first_report")


def demo(lab: Standing) -> Report:
    return Fleet(lab.lab.name, tell, os.getpid(), SHORT).up()


def made(report: Report, noun: str) -> str:
    return dict(report.lines)[noun]


def test_a_check_before_the_first_deploy_succeeds(virgin_check: str) -> None:
    recap = [line for line in virgin_check.splitlines() if "unreachable=" in line]
    assert len(recap) == 4
    assert all("failed=0" in line and "unreachable=0" in line for line in recap)


def test_the_demo_says_what_it_made_for_each_noun(first_report: Report) -> None:
    nouns = ["release", "deb", "repo", "host", "router", "service", "call", "probe"]
    assert [noun for noun, _ in first_report.lines] == nouns
    assert first_report.changed
    assert "ionman/demo v1.1.0" in made(first_report, "release")
    assert "demo-1.1.0" in made(first_report, "deb")
    for host in ("host1", "host2", "host3"):
        assert host in made(first_report, "host")
        assert host in made(first_report, "service")
        assert f"demo.{host}." in made(first_report, "call")


def test_the_demo_replaces_a_release_and_loses_no_call(first_report: Report) -> None:
    said = made(first_report, "probe")
    assert ": 0 lost, 0 doubled, 0 wrong" in said
    assert "answered  1.0.0" in said
    assert "answered  1.1.0" in said
    assert not first_report.failed


def test_a_second_demo_changes_nothing(chain_lab: Standing, first_report: Report) -> None:
    again = demo(chain_lab)
    assert not again.changed
    assert again.lines[:6] == first_report.lines[:6]
    assert [noun for noun, _ in again.lines] == ["release", "deb", "repo", "host", "router", "service", "call"]


def test_a_check_afterwards_finds_nothing_to_change(chain_lab: Standing) -> None:
    recap = [line for line in check(chain_lab).splitlines() if "unreachable=" in line]
    assert len(recap) == 4
    assert all("changed=0" in line and "failed=0" in line for line in recap)


def test_the_status_playbook_shows_what_runs(chain_lab: Standing) -> None:
    assert deploy(chain_lab, "status") == 0
    output = (chain_lab.directory / "log/test.log").read_text()
    ready = re.findall(r"^host\d +(\S+) .* yes *$", output, re.MULTILINE)
    counts = {name: sum(one.startswith(name) for one in ready) for name in ("demo.", "router", "ionman-metrics")}
    assert counts == {"demo.": 3, "router": 1, "ionman-metrics": 3}
    assert re.search(r"^all well: \d+ programs on 3 hosts$", output, re.MULTILINE)
    health = [on(chain_lab, host, "ionman metrics health --words") for host in chain_lab.names]
    assert ["demo by host1:8443: answered in " in said for said in health] == [True] * 3
    assert "demo by door: answered in " in health[0], "the router's host by its own way too"


def test_a_call_is_answered(chain_lab: Standing) -> None:
    status, answer = call(chain_lab, "app.demo.method1")
    assert (status, json.loads(answer)["version"]) == (0, "1.1.0")


def test_a_release_that_does_not_exist_stops_before_any_host(chain_lab: Standing) -> None:
    before = running(chain_lab)
    with pytest.raises(IonmanError, match=r"v9\.9\.9"):
        deploy(chain_lab, "deploy", demo_version="9.9.9")
    assert running(chain_lab) == before


def test_a_release_whose_bytes_were_changed_is_not_built(chain_lab: Standing) -> None:
    asset = chain_lab.directory / "github/releases/ionman/demo/v1.1.0/assets/demo-1.1.0.tar.gz"
    good = asset.read_bytes()
    asset.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    dist = chain_lab.directory / "dist"
    try:
        with pytest.raises(IonmanError, match="sha256"):
            deploy(chain_lab, "deb", demo_version="1.1.0", deb_tools=[], deb_output=str(dist))
        assert not list(dist.glob("*.deb"))
    finally:
        asset.write_bytes(good)


def test_a_wrong_password_leaves_what_ran(chain_lab: Standing) -> None:
    before = running(chain_lab)
    with pytest.raises(IonmanError, match=r"password|refused|authenticat"):
        deploy(chain_lab, "service", lab_password_demo="wrong")
    assert running(chain_lab) == before
    assert call(chain_lab, "app.demo.method1")[0] == 0


def test_a_port_in_use_leaves_the_router(chain_lab: Standing) -> None:
    with pytest.raises(IonmanError, match="22"):
        deploy(chain_lab, "router", router_port=22)
    assert call(chain_lab, "app.demo.method1")[0] == 0


def test_a_stopped_router_is_said_and_the_services_come_back(chain_lab: Standing) -> None:
    before = {host: [one for one in programs if one[0] != "router"] for host, programs in running(chain_lab).items()}
    on(chain_lab, "host1", "svc -d /etc/service/router")
    try:
        status, text = call(chain_lab, "app.demo.method1")
        assert (status, "localhost" in text, "Traceback" in text) == (69, True, False)
    finally:
        on(chain_lab, "host1", "svc -u /etc/service/router")
    demo(chain_lab)
    after = {host: [one for one in programs if one[0] != "router"] for host, programs in running(chain_lab).items()}
    assert after == before, "no service was restarted"


def test_a_host_that_was_rebooted_serves_again(chain_lab: Standing) -> None:
    chain_lab.reboot("host2")
    assert not demo(chain_lab).changed


def test_more_and_fewer_instances(chain_lab: Standing) -> None:
    deploy(chain_lab, "scale", service="demo", instances=2)
    assert [len([name for name, _ in running(chain_lab)[host] if name != "router"]) for host in chain_lab.names] == [
        2
    ] * 3
    deploy(chain_lab, "scale", service="demo", instances=1)
    assert [len([name for name, _ in running(chain_lab)[host] if name != "router"]) for host in chain_lab.names] == [
        1
    ] * 3
    with pytest.raises(IonmanError, match="one of demo"):
        deploy(chain_lab, "scale", service="nosuch", instances=1)


def test_the_version_before_is_still_there_and_the_hosts_go_back_to_it_by_themselves(chain_lab: Standing) -> None:
    for host in chain_lab.names:
        assert on(chain_lab, host, "ls /opt/demo").split() == ["1.0.0", "1.1.0"]
    assert call(chain_lab, "app.demo.method2")[0] == 0
    on(chain_lab, "host1", "systemctl stop ionman-repo.service")
    deploy(chain_lab, "rollback", service="demo")
    on(chain_lab, "host1", "systemctl start ionman-repo.service")
    assert call(chain_lab, "app.demo.method1")[1] == '{"status": "OK", "result": "User alice called method1"}\n'
    assert call(chain_lab, "app.demo.method2")[0] == 70
    with pytest.raises(IonmanError, match="rolled back"):
        deploy(chain_lab, "deploy", **SHORT)
    assert deploy(chain_lab, "deploy", service_retry=True, **SHORT) > 0
    assert deploy(chain_lab, "deploy", **SHORT) == 0
