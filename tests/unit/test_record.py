"""What a host remembers."""

import json

from ionman.record import Memory, Pending, Ran, Record, began, ended, rows, same, table

RAN = Ran("aaaaaaaa", "1.0.0", 2)


def good(day: int) -> Record:
    return Record("good", f"2026-11-{day:02}T10:00:00.000+00:00", entry={})


def test_where_a_rollback_goes() -> None:
    memory = Memory({"a": good(1), "b": good(3), "c": good(2), "f": Record("failed", "2026-11-09"), "n": Record()})
    assert memory.good() == ["b", "c", "a"]
    assert memory.back({"b"}) == ("b", "c")
    assert memory.back({"b", "c"}) == ("b", "c")
    assert memory.back({"a"}) == ("a", "b")
    assert memory.back({"b", "n"}) == ("n", "b")  # half rolled
    assert memory.back({"b", "unknown"}) == ("unknown", "b")
    assert Memory({"a": good(1)}).back({"a"}) == ("a", "")
    interrupted = Memory(memory.records, Pending("c", Ran("b", "1", 2), back=True))
    assert interrupted.back({"c"}) == ("b", "c")


def test_which_records_are_kept() -> None:
    records = {name: good(day) for day, name in enumerate("abcde", 1)}
    failed = {f"f{day:02}": Record("failed", f"2026-11-{day:02}") for day in range(1, 23)}
    assert Memory({**records, **failed, "n": Record()}).stale("e") == ["a", "b", "f01", "f02", "n"]


def test_how_it_is_rolled_makes_no_other_entry() -> None:
    assert same({"version": "1", "soak": 3}, {"version": "1", "surge": 2, "ready_timeout": 9})
    assert not same({"version": "1", "instances": 1}, {"version": "1", "instances": 2})
    assert not same(None, {"version": "1"})


def line(number: str, service: str = "demo") -> str:
    who = {"deploy": "d1", "who": "alice", "what": "deploy", "service": service}
    return began(number, "2026-11-23T10:00:00.123+00:00", {**who, "from": None, "to": RAN.document()})


def test_history_tells_what_began_and_how_it_ended() -> None:
    lines = [line("1"), ended("1", 2.04, "done", ""), line("2"), line("3", "other"), '{"id": "4", "at": "st\n', "[]\n"]
    lines.append(ended("3", 1, "failed", "it did not\nanswer"))
    found = rows(lines)
    assert [(row["service"], row["result"], row["took"]) for row in found] == [
        ("demo", "done", 2.0),
        ("demo", "interrupted", None),
        ("other", "failed", 1),
    ]
    assert json.loads(lines[0])["to"] == {"generation": "aaaaaaaa", "version": "1.0.0", "instances": 2}
    assert len(rows(lines, "demo")) == 2
    shown = table(found)
    assert shown[1].split() == [
        "2026-11-23",
        "10:00:00",
        "alice",
        "deploy",
        "demo",
        "-",
        "1.0.0",
        "aaaaaaaa",
        "x2",
        "2",
        "s",
        "done",
    ]
    assert shown[3].endswith("failed  it did not")
    assert table([]) == ["nothing was deployed here"]
