"""A service is replaced while it serves, under real supervises."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from ionman.errors import InputError, IonmanError, Unavailable
from ionman.hosts import record
from tests.host.conftest import HURRIED, Host, Hosts
from tests.host.watch import Watch

SCANNER = HURRIED


def test_one_in_one_out(host: Host) -> None:
    host.apply(host.document(instances=2))
    first = host.pids()
    with Watch(host) as watch:
        outcome = host.apply(host.document("1.1.0", instances=2, how={"soak": 1}))
    assert (watch.fewest, watch.most) == (2, 3)
    assert host.versions() == ["1.1.0", "1.1.0"]
    assert not set(first) & set(host.pids())
    assert "soaked: " in "".join(host.lines)
    (service,) = outcome.document()["services"]
    assert (service["service"], service["result"], service["why"]) == ("demo", "done", "")
    assert (service["from"]["version"], service["to"]["version"]) == ("1.0.0", "1.1.0")

    again = host.apply(host.document("1.1.0", instances=2, how={"soak": 9, "surge": 2}))
    assert (again.changed, again.document()["services"][0]["result"]) == (False, "unchanged")
    assert host.history() == [("deploy", "", "1.0.0 x2", "done"), ("deploy", "1.0.0 x2", "1.1.0 x2", "done")]
    assert sorted(host.marks().values()) == ["good", "good"]
    kept = {path.name: path.stat().st_mode & 0o777 for path in host.layout.records.rglob("*")}
    assert set(kept.values()) == {0o700, 0o600}
    assert host.layout.records.stat().st_mode & 0o777 == 0o700
    assert len(list(host.layout.configuration.glob("*/*"))) == 2

    with Watch(host) as watch:
        host.apply(host.document("1.1.0", instances=3))
        host.apply(host.document("1.1.0", instances=1))
    assert watch.fewest == 1
    assert host.history()[2:] == [("scale", "1.1.0 x2", "1.1.0 x3", "done"), ("scale", "1.1.0 x3", "1.1.0 x1", "done")]


BAD = {  # what a release does -> what is said of it
    "refused": "did not become ready within 6 s: registering: app.demo.method1 is not allowed",
    "crash": "myservicepassword is wrong: the router refused demo",
    "dies": "was ready, and ended while it soaked",
    "slow": r"calls take longer than before: 50\.0 ms a call, old 1\.0 ms",
    "failing": r"more calls fail than before: .*% errors, old 0\.0%",
}


def leaves_the_old_alone(host: Host, fake: str) -> None:
    host.apply(host.document(instances=2))
    old = host.pids()
    bad = {"version": "1.1.0", "instances": 2, "app_fake": fake, "ready_timeout": 6}
    with Watch(host) as watch, pytest.raises(Unavailable, match=BAD[fake]) as caught:
        host.apply(host.document(how={"soak": 4}, **bad))  # type: ignore[arg-type]
    assert watch.fewest == 2
    assert "what ran before was left as it was" in str(caught.value)
    assert host.pids() == old
    assert len(list(host.layout.configuration.glob("*/*"))) == 1
    with pytest.raises(InputError, match=r"demo: generation [0-9a-f]{8} \(version 1\.1\.0\) failed on 20") as refused:
        host.apply(host.document(how={"soak": 4}, **bad), check=True)  # type: ignore[arg-type]
    assert "service_retry=true" in str(refused.value)
    assert ("for the 3. time in a row: the router refused\n" in str(refused.value)) == (fake == "crash")
    assert host.history() == [("deploy", "", "1.0.0 x2", "done"), ("deploy", "1.0.0 x2", "1.1.0 x2", "failed")]
    texts = [path.read_text() for path in host.layout.records.rglob("*.json*")]
    assert "myservicepassword" not in "".join(text for text in texts if "failed" in text)
    assert not host.apply(host.document(instances=2)).changed


def test_a_bad_release_leaves_the_old_alone(hosts: Hosts) -> None:
    some = {fake: hosts.another() for fake in BAD}
    with ThreadPoolExecutor(len(BAD)) as pool:
        list(pool.map(lambda fake: leaves_the_old_alone(some[fake], fake), BAD))


def test_what_the_release_cannot_help_does_not_mark_it(host: Host) -> None:
    host.apply(host.document())
    bad = host.document("1.1.0", app_fake="never", ready_timeout=2)
    for _ in range(2):
        with pytest.raises(Unavailable, match="connecting: host1:8443 refused"):
            host.apply(bad)
    assert list(host.marks().values()) == ["good"]


def test_a_late_failure_is_put_back(host: Host) -> None:
    host.apply(host.document(instances=2))
    (first,) = {name.split(".")[1] for name in host.programs}
    bad = host.document("1.1.0", instances=2, app_second="refused", ready_timeout=6)
    with Watch(host) as watch, pytest.raises(Unavailable, match=r"app\.demo\.method1 is not allowed") as caught:
        host.apply(bad)
    assert f"generation {first} (version 1.0.0) runs again" in str(caught.value)
    assert (watch.fewest, watch.most) == (2, 3)
    assert host.versions() == ["1.0.0", "1.0.0"]
    assert host.history()[1:] == [
        ("deploy", "1.0.0 x2", "1.1.0 x2", "failed"),
        ("put back", "1.1.0 x2", "1.0.0 x2", "done"),
    ]
    assert not host.apply(host.document(instances=2)).changed
    with pytest.raises(InputError, match="failed on"):
        host.apply(bad)
    with pytest.raises(Unavailable):
        host.apply(bad.replace('"name"', '"retry": true, "name"'))


def test_the_last_callee_is_not_drained_unless_it_is_said(host: Host) -> None:
    host.apply(host.document(instances=2, app_alone="app.demo.method1"))
    with pytest.raises(
        IonmanError, match=r"demo\..*\.2 was not drained: it is the last one that answers for app\.demo"
    ):
        host.apply('{"services": []}')
    ((name, pid),) = host.pids().items()
    with pytest.raises(IonmanError, match="`ionman host remove --allow-gap`"):
        host.apply('{"services": []}', check=True)
    with pytest.raises(IonmanError, match="was not drained"):
        host.apply(host.document(instances=0, app_alone="app.demo.method1"))
    assert host.pids() == {name: pid}
    host.apply(host.document(instances=1, app_alone="app.demo.method1", app_fake="other"))
    assert pid not in host.pids().values()  # another generation takes over: that is no gap
    host.apply('{"services": [], "allow_gap": true}')
    assert host.programs == []
    assert not list(host.layout.records.glob("demo"))


def test_what_cannot_stand_beside_the_old_needs_a_gap(host: Host) -> None:
    host.apply(host.document(schedule="single"))
    with pytest.raises(InputError, match="with schedule = single only one instance can register") as caught:
        host.apply(host.document("1.1.0", schedule="single"))
    assert "allow_gap" in str(caught.value)
    host.apply(host.document("1.1.0", schedule="single", how={"allow_gap": True}))
    assert host.versions() == ["1.1.0"]
    with pytest.raises(InputError, match="its schedule changes from single to roundrobin"):
        host.apply(host.document("1.1.0"))
    with pytest.raises(Unavailable, match="runs again"):
        host.apply(host.document(app_fake="crash", how={"allow_gap": True}))
    assert host.versions() == ["1.1.0"]
    assert all(host.pids().values())


def test_verify_goes_to_the_instance_and_makes_the_generation(host: Host) -> None:
    host.apply(host.document())
    verify = [{"uri": "app.demo.method1", "argv": {}, "answer": {"status": "OK"}}]
    host.apply(host.document(how={"verify": verify}))
    (name,) = host.programs
    text = (host.layout.generation("demo", name.split(".")[1]) / "verify.json").read_text()
    assert json.loads(text) == verify
    assert "IONMAN_VERIFY" in json.loads((host.layout.states / "demo/probe.json").read_text())["environment"]
    assert len(record.history(host.layout)) == 2
