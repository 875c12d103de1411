"""What counts as the expected answer."""

from typing import Any

import pytest

from ionman.errors import WampError
from ionman.runtime.verify import Check, matches, wrong


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({}, {"status": "OK"}),
        ({"status": "OK"}, {"status": "OK", "more": 1}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}),
        ([1, 2.0, None, "x"], [1.0, 2, None, "x"]),
        (True, True),
        (None, None),
    ],
)
def test_right(expected: Any, found: Any) -> None:
    assert matches(expected, found)
    assert wrong(Check("app.a.b", {}, expected), found) is None


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"status": "OK"}, {"status": "FAIL", "message": "x"}),
        ({"a": None}, {}),
        ({"a": {"b": 1}}, {"a": 1}),
        ({"a": [{"b": 2}]}, {"a": [{"b": 2, "c": 3}]}),
        ([1, 2], [1, 2, 3]),
        ([1], {"0": 1}),
        ({}, []),
        (1, True),
        (0, False),
        ("1", 1),
        (None, False),
    ],
)
def test_wrong(expected: Any, found: Any) -> None:
    assert not matches(expected, found)
    error = wrong(Check("app.a.b", {}, expected), found)
    assert error is not None
    assert error.status == 70
    assert "verify: app.a.b answered " in error.message


def test_an_error_is_never_the_answer() -> None:
    error = wrong(Check("app.a.b", {}, {}), WampError("ionman.error.handler", "app.a.b failed"))
    assert error is not None
    assert error.message == "verify: app.a.b answered with the error ionman.error.handler: app.a.b failed, expected {}"


def test_a_long_answer_is_cut() -> None:
    error = wrong(Check("app.a.b", {}, "short"), "x" * 10_000)
    assert error is not None
    assert len(error.message) < 1000
