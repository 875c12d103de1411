"""Whether the new do as well as the old."""

import pytest

from ionman.soak import Numbers, between, judge, numbers


@pytest.mark.parametrize(
    ("new", "old", "problem"),
    [
        ((100, 0, 100), (100, 0, 100), ""),
        ((19, 19, 9000), (100, 0, 100), ""),  # too few to say
        ((100, 0, 100), (19, 0, 19), ""),
        ((100, 1, 100), (100, 0, 100), ""),  # within the share that is allowed
        ((100, 2, 100), (100, 0, 100), "more calls fail than before: 2.0% errors, old 0.0%"),
        ((100, 30, 100), (100, 30, 100), ""),  # not worse than before
        ((100, 0, 500), (100, 0, 100), ""),  # 5 ms for 1 ms is noise
        ((100, 0, 3000), (100, 0, 1000), ""),
        ((100, 0, 3100), (100, 0, 1000), "calls take longer than before: 31.0 ms a call, old 10.0 ms"),
    ],
)
def test_judge(new: tuple[int, int, float], old: tuple[int, int, float], problem: str) -> None:
    verdict = judge(Numbers(*new), Numbers(*old), 0.01, 3.0)
    assert verdict.problem == problem
    assert verdict.note.startswith("too few calls to compare: ") == (min(new[0], old[0]) < 20)


def test_numbers_of_an_instance_are_summed_up() -> None:
    tallies = {
        "app.a": {"calls": 10, "errors": 1, "total_ms": 25.0, "latency_ms": {"mean": 2.5}},
        "app.b": {"calls": 2, "errors": 0, "latency_ms": {"mean": 4.0}},  # of an older runtime: no total
    }
    assert numbers({"stats": tallies}) == Numbers(12, 1, 33.0)
    assert numbers({}) == Numbers()


def test_only_what_was_added_counts_and_not_what_began_anew() -> None:
    before = {"a": Numbers(10, 1, 10), "b": Numbers(50, 0, 50), "gone": Numbers(1, 0, 1)}
    after = {"a": Numbers(15, 2, 20), "b": Numbers(5, 0, 5)}
    assert between(before, after) == Numbers(5, 1, 10)
