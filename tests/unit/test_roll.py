"""Who has its turn when, how many at a time, when a roll stops, and what is said of each host at the end."""

from typing import Any

import pytest

from ionman import roll
from ionman.errors import InputError
from ionman.plays import verdict

FLEET = ["a", "b", "c", "d"]
Json = dict[str, Any]


def run(generation: str, instances: int = 1, version: str = "1.0.0") -> Json:
    return {"generation": generation, "version": version, "instances": instances}


def look(old: Json | None, new: Json | None, verb: str = "deploy", **more: object) -> Json:
    change = {"service": "demo", "from": old, "to": new}
    return {"fleet": FLEET, "verb": verb, "changed": old != new, "services": [change], "running": [], **more}


def rows(generation: str, count: int = 1, version: str = "1.0.0") -> list[Json]:
    row = {"service": "demo", "generation": generation, "version": version, "ready": True}
    return [row] * count


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [("1", 3, 1), (2, 3, 2), ("9", 3, 3), ("10%", 3, 1), ("50%", 3, 2), ("100 %", 3, 3), ("34%", 3, 2), ("1%", 200, 2)],
)
def test_a_share_is_a_number_or_a_percentage_rounded_up(text: object, total: int, expected: int) -> None:
    assert roll.share(text, total, "service_batch") == expected


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "1.5", "half", "", "10%%", None])
def test_a_share_that_is_none_is_refused_by_its_name(text: object) -> None:
    with pytest.raises(InputError, match="service_batch"):
        roll.share(text, 3, "service_batch")


@pytest.mark.parametrize(
    ("total", "out", "expected"),
    [
        (6, [], {"a": 2, "b": 2, "c": 1, "d": 1}),
        (2, [], {"a": 1, "b": 1, "c": 0, "d": 0}),
        (0, [], {"a": 0, "b": 0, "c": 0, "d": 0}),
        (6, ["b"], {"a": 2, "b": 0, "c": 2, "d": 2}),
        (0, FLEET, {"a": 0, "b": 0, "c": 0, "d": 0}),
    ],
)
def test_a_total_is_spread_evenly(total: int, out: list[str], expected: dict[str, int]) -> None:
    assert roll.spread(total, FLEET, out) == expected


def test_a_total_needs_a_host() -> None:
    with pytest.raises(InputError, match="no host"):
        roll.spread(1, FLEET, FLEET)


def test_a_new_generation_has_its_canary_first_and_then_batches() -> None:
    looks = {host: look(run("old"), run("new")) for host in FLEET}
    assert roll.arrange(looks).batches == (("a",), ("b",), ("c",), ("d",))
    rolling = roll.arrange(looks, "1", "50%")
    assert rolling.batches == (("a",), ("b", "c"), ("d",))
    assert rolling.soaked == {"a"}
    assert rolling.sizes == [1, 2, 1]
    assert rolling.order == FLEET


def test_a_host_that_has_nothing_to_change_has_no_turn_and_is_no_canary() -> None:
    looks = {host: look(run("old"), run("old" if host == "a" else "new")) for host in FLEET}
    rolling = roll.arrange(looks)
    assert rolling.order == ["b", "c", "d"]
    assert rolling.soaked == {"b"}


def test_nothing_to_change_is_no_turn_at_all() -> None:
    rolling = roll.arrange({host: look(run("old"), run("old")) for host in FLEET})
    assert (rolling.order, rolling.sizes) == ([], [1])


def test_a_canary_in_percent_counts_the_instances_of_the_fleet() -> None:
    looks = {host: look(run("old", 2), run("new", 2)) for host in FLEET}
    assert roll.arrange(looks, "10%").canaries == {"a": {"demo": 1}}
    rolling = roll.arrange(looks, "40%", "100%")  # 4 of 8, rounded up
    assert rolling.canaries == {"a": {"demo": 2}, "b": {"demo": 2}}
    assert rolling.batches == (("a", "b"), ("c", "d"))
    assert rolling.soaked == {"a", "b"}


def test_where_nothing_runs_yet_all_begin_at_once_and_are_watched() -> None:
    rolling = roll.arrange({host: look(None, run("new")) for host in FLEET})
    assert rolling.batches == (tuple(FLEET),)
    assert rolling.soaked == set(FLEET)


def test_a_new_host_comes_after_one_that_has_an_old_generation_to_compare_with() -> None:
    looks = {host: look(None if host == "a" else run("old"), run("new")) for host in FLEET}
    assert roll.arrange(looks).order == ["b", "c", "d", "a"]


def test_more_come_before_fewer_so_that_there_are_never_too_few() -> None:
    wanted = {"a": (3, 2), "b": (1, 2), "c": (2, 2), "d": (0, 1)}
    looks = {host: look(run("old", n) if n else None, run("old", m), "scale") for host, (n, m) in wanted.items()}
    assert roll.arrange(looks).batches == (("b",), ("d",), ("a",))
    assert roll.arrange(looks, "1", "100%").batches == (("b", "d"), ("a",))


def test_a_rollback_has_its_turns_like_a_deploy() -> None:
    looks = {host: look(run("new"), run("old"), "rollback") for host in FLEET}
    assert roll.arrange(looks).batches == (("a",), ("b",), ("c",), ("d",))
    assert roll.arrange(looks, "1", "100%").batches == (("a",), ("b", "c", "d"))


def test_what_a_host_does_not_tell_is_rolled_one_by_one() -> None:
    """A host whose command is not installed yet says in a check that something would change, and not what."""
    looks = {host: {"fleet": FLEET, "verb": "deploy", "changed": True, "services": []} for host in FLEET}
    assert roll.arrange(looks).sizes == [1, 1, 1, 1]


def test_a_host_that_failed_or_dropped_out_stops_the_others() -> None:
    looked = {"look": look(run("old"), run("new"))}
    steps: dict[str, Json] = dict.fromkeys(FLEET, looked)
    assert roll.stop(steps, FLEET) == ""
    assert roll.stop({**steps, "b": {**looked, "roll": {"result": "failed"}}}, FLEET) == "b failed"
    assert "b could not be reached" in roll.stop({**steps, "b": {**looked, "roll": {"result": "unreachable"}}}, FLEET)
    assert "d dropped out" in roll.stop({**steps, "d": {}}, FLEET)


def test_hosts_that_lose_a_service_go_one_by_one() -> None:
    gone = {host: look(run("x"), None) for host in FLEET}
    assert roll.arrange(gone, batch="100%").batches == (("a",), ("b",), ("c",), ("d",))
    emptied = {"a": look(run("x"), run("y")), "b": look(run("x"), run("x", 0)), "c": look(run("x"), run("y"))}
    assert roll.arrange(emptied, canary=3).batches == (("a", "c"), ("b",))
    for one in gone.values():
        one["services"][0]["allow_gap"] = True
    assert roll.arrange(gone, batch="100%").batches == (("a", "b", "c", "d"),)


def test_a_service_does_not_go_from_every_host_unless_it_is_said() -> None:
    gone = {host: look(run("x"), None) for host in "ab"}
    assert "demo would run on no host any more" in roll.gap(gone)
    assert "demo" in roll.gap({**gone, "b": look(run("x"), run("x", 0))})
    assert roll.gap({**gone, "b": look(run("x"), run("x"))}) == ""
    assert roll.gap({"a": look(None, run("x", 0))}) == ""
    for one in gone.values():
        one["services"][0]["allow_gap"] = True
    assert roll.gap(gone) == ""


def test_a_scale_that_would_start_something_else_than_what_runs_is_refused() -> None:
    looks = {"a": look(run("x", 1), run("x", 2), "scale"), "b": look(None, run("y", 1, "1.1.0"), "scale")}
    assert "runs as x elsewhere, and by the inventory would start here otherwise as 1.1.0 y" in roll.strange(
        looks, "demo", "b"
    )
    assert roll.strange(looks, "demo", "a") == ""
    assert roll.strange({**looks, "b": look(None, run("x"), "scale")}, "demo", "b") == ""
    missing = {**look(None, None, "scale"), "changed": True, "services": []}  # its package is not installed there
    assert "otherwise: deploy first" in roll.strange({**looks, "b": missing}, "demo", "b")
    own = {**looks, "c": look(run("z"), run("z"), "scale")}  # each host has a configuration of its own
    assert roll.strange(own, "demo", "b") == ""


def test_a_generation_is_to_blame_only_where_its_host_says_so() -> None:
    looked = look(run("old"), run("new"))
    done = {"look": looked, "roll": {"result": "done"}}
    for turn, expected in (
        ({"result": "failed", "blamed": ["new"]}, True),
        ({"result": "failed", "blamed": ["other"]}, False),
        ({"result": "failed"}, False),
        ({"result": "unreachable"}, False),
    ):
        assert roll.blamed({"a": done, "b": {"look": looked, "roll": turn}, "c": {"look": looked}}) is expected


# --- what is said -------------------------------------------------------------------------------------------------


def told(steps: dict[str, Json], **lost: str) -> list[str]:
    return verdict.lines(steps, lost)


def test_the_verdict_has_a_line_for_each_host_with_what_runs_what_happened_and_why() -> None:
    fleet = ["a", "b", "c"]
    change = {"service": "demo", "from": run("old"), "to": run("new", version="1.1.0")}
    before = {**look(run("old"), run("new", version="1.1.0")), "fleet": fleet, "running": rows("old")}
    failed = {"result": "failed", "why": "b: demo.new.1 did not become ready; its log ends with\n x error y: no rights"}
    steps: dict[str, Json] = {
        "a": {
            "look": before,
            "roll": {"result": "done", "services": [change], "running": rows("new", version="1.1.0")},
            "end": {"result": "put back", "why": "b failed", "running": rows("old")},
        },
        "b": {"look": before, "roll": failed, "end": {"result": "", "running": rows("old")}},
        "c": {"look": before, "roll": {"result": "not begun", "why": "b failed"}},
    }
    assert told(steps) == [
        "deploy FAILED on b",
        "a  demo 1.0.0 x1 (old)  demo 1.0.0 -> 1.1.0; put back: b failed",
        "b  demo 1.0.0 x1 (old)  failed: b: demo.new.1 did not become ready: no rights",
        "c  demo 1.0.0 x1 (old)  not begun: b failed",
    ]


def test_the_verdict_says_when_nothing_was_to_be_done() -> None:
    steps = {"a": {"look": {**look(run("old"), run("old")), "fleet": ["a"], "running": rows("old", 2)}}}
    assert told(steps) == [
        "deploy: nothing to do, all is as it should be",
        "a  demo 1.0.0 x2 (old)  nothing to do",
    ]


def test_the_verdict_tells_of_services_that_left_before_the_rest_was_looked_at() -> None:
    change = {"service": "hello", "from": run("old"), "to": None}
    fleet = {"fleet": ["a", "b"], "running": rows("old")}
    leave = {
        "look": {**look(run("old"), None), **fleet, "verb": "leave"},
        "roll": {"result": "done", "services": [change]},
    }
    after = {"look": {**look(run("old"), run("old")), **fleet}}
    assert verdict.gone(leave, after) == "hello removed"
    assert verdict.gone(leave, leave) == verdict.gone(after, after) == ""
    assert verdict.lines({"a": after, "b": after}, {}, {"a": "hello removed"}) == [
        "deployed on a",
        "a  demo 1.0.0 x1 (old)  hello removed",
        "b  demo 1.0.0 x1 (old)  nothing to do",
    ]


def test_the_verdict_says_that_a_host_was_lost_before() -> None:
    steps = {host: {"look": {**look(run("old"), run("new")), "fleet": ["a", "b"], "running": []}} for host in "a"}
    lines = told(steps, b="cannot be reached: timed out")
    assert lines[0] == "deploy FAILED on b; no service was changed"
    assert lines[2] == "b  unknown  cannot be reached: timed out"
    assert told({}, controller="no such release") == [
        "this run FAILED on controller; no service was changed",
        "controller  unknown  no such release",
    ]


def test_there_is_no_verdict_where_nothing_was_rolled() -> None:
    assert told({}) == []


def test_the_verdict_of_a_check_says_what_would_change() -> None:
    steps = {"a": {"look": {**look(run("old"), run("old", 3)), "fleet": ["a"], "running": rows("old")}}}
    assert verdict.lines(steps, {}, check=True) == [
        "deploy: only a check, nothing was changed",
        "a  demo 1.0.0 x1 (old)  would change: demo x1 -> x3",
    ]
