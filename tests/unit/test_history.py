"""The records of several hosts as one."""

from typing import Any

from ionman.history import merge, table

OLD = {"generation": "aaaa1111", "version": "1.0.0", "instances": 1}
NEW = {"generation": "bbbb2222", "version": "1.1.0", "instances": 1}


def row(when: str, **changes: Any) -> dict[str, Any]:
    made = {"when": f"2026-11-24T10:0{when}.000+00:00", "took": 4.0, "deploy": "run-1", "who": "al@c1"}
    made |= {"what": "deploy", "service": "demo", "from": OLD, "to": NEW, "result": "done", "why": ""}
    return {**made, **changes}


def test_rows_are_put_in_order_and_say_their_host() -> None:
    found = merge({"host2": [row("0:05")], "host1": [row("0:01"), row("0:09")]})
    assert [one["host"] for one in found] == ["host1", "host2", "host1"]
    assert [one["when"][17:19] for one in merge({"host1": found}, last=2)] == ["05", "09"]


def test_what_a_run_did_alike_is_one_line() -> None:
    failed = row("0:09", result="failed", why="it answers wrongly\nremedy", to=NEW, **{"from": OLD})
    lines = table(merge({"host1": [row("0:01")], "host2": [row("0:05", took=6.4)], "host3": [failed]}))
    assert lines == [
        "WHEN                 WHO    WHAT    SERVICE  FROM               TO                 HOSTS        TOOK  RESULT",
        "2026-11-24 10:00:01  al@c1  deploy  demo     1.0.0 aaaa1111 x2  1.1.0 bbbb2222 x2  host1 host2  6 s   done",
        "2026-11-24 10:00:09  al@c1  deploy  demo     1.0.0 aaaa1111 x1  1.1.0 bbbb2222 x1  host3        4 s   failed"
        ": it answers wrongly",
    ]


def test_what_stands_alone_stays_so() -> None:
    first = row("0:01", deploy="", **{"from": None})
    interrupted = row("0:02", deploy="run-2", result="interrupted", took=None, to=None)
    lines = table(merge({"host1": [first, {**first, "when": "2026-11-24T10:00:03.000+00:00"}, interrupted]}))
    assert [line.split()[0:2][1] for line in lines[1:]] == ["10:00:01", "10:00:02", "10:00:03"]
    assert lines[1].split()[5] == "-"
    assert lines[2].endswith("-                  host1  -     interrupted")
    assert table([]) == ["nothing was deployed"]


def test_a_row_that_lacks_something_is_shown_too() -> None:
    assert table(merge({"host1": [{"service": "demo"}]}))[1].split()[1:4] == ["-", "-", "demo"]
