"""How the hosts of a fleet are, put together."""

from typing import Any

import pytest

from ionman.status import Fleet, Said, age, fleet, lines


def program(name: str, **changes: Any) -> dict[str, Any]:
    return {"program": name, "version": "1.0.0", "seconds": 90, "ready": True, "note": "", **changes}


CALLED = {"what": "call demo", "way": "ping", "ok": True, "why": "", "ms": 1.5}


def test_when_all_is_well_it_says_so() -> None:
    found = fleet({"host1": Said([program("ionman-router")], (), [CALLED]), "host2": Said([program("demo.1")])})
    assert found.well
    assert lines(found) == [
        "HOST   PROGRAM        VERSION  FOR    READY",
        "host1  ionman-router  1.0.0    1 min  yes",
        "host2  demo.1         1.0.0    1 min  yes",
        "all well: 2 programs on 2 hosts",
    ]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (Said([program("demo.1", ready=False, note="down")]), "PROBLEM: host1: demo.1: down"),
        (Said([], (), [{**CALLED, "ok": False, "why": "late"}]), "PROBLEM: host1: call demo by ping: late"),
        (Said([], ["certificate router expires in 9 days"]), "ALARM: host1: certificate router expires in 9 days"),
        (Said(missing="cannot be reached"), "PROBLEM: host1: cannot be reached"),
    ],
)
def test_what_has_to_be_looked_at_is_named_with_its_host(said: Said, line: str) -> None:
    found = fleet({"host1": said})
    assert not found.well
    assert line in lines(found)
    assert lines(found)[-1].startswith("1 problems" if line.startswith("PROBLEM") else "0 problems, 1 alarms")


def test_a_fleet_without_hosts_runs_nothing() -> None:
    assert lines(Fleet())[-1] == "all well: 0 programs on 0 hosts"


@pytest.mark.parametrize(("seconds", "text"), [(59, "59 s"), (7200, "2 h"), (90000, "1 d")])
def test_an_age_has_one_unit(seconds: int, text: str) -> None:
    assert age(seconds) == text
