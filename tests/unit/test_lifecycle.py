"""The declared life cycle, back-off, numbers and values."""

from typing import Any

import pytest

from ionman.runtime import backoff, values
from ionman.runtime.lifecycle import TRANSITIONS, Event, State, after, overall
from ionman.runtime.stats import Stats


def test_the_usual_life() -> None:
    state = State.CONNECTING
    for event, next_one in [
        (Event.JOINED, State.REGISTERING),
        (Event.REGISTERED, State.READY),
        (Event.LOST, State.CONNECTING),
        (Event.JOINED, State.REGISTERING),
        (Event.DRAIN, State.DRAINING),
        (Event.REGISTERED, State.DRAINING),
        (Event.LEFT, State.GONE),
    ]:
        state = after(state, event)
        assert state is next_one


def test_nothing_leads_back_from_draining() -> None:
    for (state, _), next_one in TRANSITIONS.items():
        if state in (State.DRAINING, State.GONE):
            assert next_one in (State.DRAINING, State.GONE)


def test_every_state_can_be_drained_and_lost() -> None:
    for state in State:
        assert after(state, Event.DRAIN)
        assert after(state, Event.LOST)


def test_what_is_not_declared_is_a_defect() -> None:
    with pytest.raises(ValueError, match="registered cannot happen while connecting"):
        after(State.CONNECTING, Event.REGISTERED)


def test_overall_is_the_furthest_from_ready() -> None:
    assert overall([State.READY, State.READY]) is State.READY
    assert overall([State.READY, State.REGISTERING]) is State.REGISTERING
    assert overall([State.CONNECTING, State.REGISTERING]) is State.CONNECTING
    assert overall([State.GONE, State.DRAINING]) is State.DRAINING
    assert overall([State.GONE, State.GONE]) is State.GONE


def test_backoff_grows_to_five_seconds_and_differs() -> None:
    assert [backoff.delay(count, 1.0) for count in range(3)] == sorted(backoff.delay(count, 1.0) for count in range(3))
    assert backoff.delay(1000, 1.0) == 5.0
    assert backoff.delay(1000, 0.0) == 2.5
    assert len({backoff.delay(5) for _ in range(10)}) > 1


def test_numbers() -> None:
    stats = Stats.of(["app.a.b"])
    stats.add("app.a.b", 0.010)
    stats.add("app.a.b", 0.030, "ionman.error.handler: x")
    told = stats.document()["app.a.b"]
    buckets = dict(told.pop("buckets_ms"))
    assert (buckets[5], buckets[10], buckets[25], buckets[50], buckets[30000]) == (0, 1, 1, 2, 2)
    assert told == {
        "calls": 2,
        "errors": 1,
        "last_error": "ionman.error.handler: x",
        "total_ms": 40.0,
        "latency_ms": {"mean": 20.0, "max": 30.0, "p50": pytest.approx(10.0, rel=0.05), "p99": 30.0},
    }


def test_shares_of_many_calls() -> None:
    stats = Stats.of(["app.a.b"])
    assert stats.document()["app.a.b"]["latency_ms"] == {"mean": 0.0, "max": 0.0, "p50": 0.0, "p99": 0.0}
    for milliseconds in range(1, 1001):
        stats.add("app.a.b", milliseconds / 1000)
    latency = stats.document()["app.a.b"]["latency_ms"]
    assert latency["p50"] == pytest.approx(500, rel=0.05)
    assert latency["p99"] == pytest.approx(990, rel=0.05)
    assert len(stats.procedures["app.a.b"].steps) < 200


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, "ü", [], {}, {"a": [{"b": (1, 2)}]}, 2**63, -(2**63)])
def test_json_shaped(value: Any) -> None:
    assert values.problem(value, "result") == ""


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, b"x"]}, "result.a[1] is of type bytes"),
        ({1: 2}, "result has the key 1"),
        ([float("inf")], "result[0] is inf"),
        ("\ud800", "result is a string with half a surrogate pair"),
        ({"\ud800": 1}, "keys are strings"),
        (2**64, "result is a number of more than 64 bits"),
        ("x" * (1 << 20), "result is larger than 983040 octets, more than a router takes (max_message_size)"),
        (object(), "result is of type object"),
    ],
)
def test_not_json_shaped(value: Any, where: str) -> None:
    assert where in values.problem(value, "result")
