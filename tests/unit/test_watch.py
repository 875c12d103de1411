"""What the watch makes of what it sees of a router."""

import pytest

from ionman.leaving import LEAVING, LONGEST, SPREAD, seconds
from ionman.routers import rights
from ionman.watch import Look, Verdict, judge


def looks(*rows: tuple[float, bool, float], pid: int = 7, memory: int = 100, state: str = "S") -> list[Look]:
    """Looks at a router: when, whether it answered, and the processor time that it had used."""
    return [Look(at, pid, well, used, state == "T" and not well, state == "R", memory) for at, well, used in rows]


SILENT = (
    ("frozen", [(0, True, 5.0), (3, False, 5.0), (6, False, 5.0), (9, False, 5.01)], Verdict.KILL),
    ("not long enough", [(0, True, 5.0), (3, False, 5.0), (6, False, 5.0)], Verdict.LEAVE),
    ("too few looks", [(0, True, 5.0), (20, False, 5.0), (21, False, 5.0)], Verdict.LEAVE),
    ("busy", [(0, True, 5.0), (3, False, 6.0), (6, False, 7.0), (9, False, 8.0)], Verdict.LEAVE),
    ("busy for ever", [(0, True, 5.0), (10, False, 15.0), (20, False, 25.0), (31, False, 35.0)], Verdict.KILL),
    ("well again", [(0, True, 5.0), (3, False, 5.0), (6, False, 5.0), (9, False, 5.0), (9, True, 5.1)], Verdict.LEAVE),
    ("starting", [(0, False, 0.0), (30, False, 1.0), (60, False, 1.0), (90, False, 1.0)], Verdict.LEAVE),
    ("never started", [(0, False, 0.0), (60, False, 1.0), (301, False, 1.0)], Verdict.KILL),
)


@pytest.mark.parametrize(("name", "rows", "verdict"), SILENT, ids=[one[0] for one in SILENT])
def test_silence(name: str, rows: list[tuple[float, bool, float]], verdict: Verdict) -> None:
    del name
    assert judge(looks(*rows))[0] is verdict


def test_one_that_is_stopped_is_frozen_whatever_its_other_processes_use() -> None:
    rows = ((0.0, True, 5.0), (3.0, False, 6.0), (6.0, False, 7.0), (9.0, False, 8.0))
    assert judge(looks(*rows, state="T")) == (Verdict.KILL, "it is frozen: no answer for 9 s")


def test_one_that_gets_no_processor_is_not_frozen() -> None:
    rows = ((0.0, True, 5.0), (3.0, False, 5.0), (6.0, False, 5.0), (9.0, False, 5.0))
    assert judge(looks(*rows, state="R"))[0] is Verdict.LEAVE


def test_another_process_is_judged_by_itself() -> None:
    old = looks((0, True, 5.0), (3, False, 5.0), (6, False, 5.0))
    assert judge([*old, *looks((9, False, 0.1), pid=8)])[0] is Verdict.LEAVE
    assert judge([*old, *looks((9, False, 0.0), pid=0)]) == (Verdict.LEAVE, "it does not run")
    assert judge([])[0] is Verdict.LEAVE


def test_memory_counts_when_it_is_limited_and_stays_high() -> None:
    rows = [(float(at), True, 0.0) for at in range(4)]
    high, low = looks(*rows, memory=900), looks(*rows, memory=100)
    assert judge(high, 500) == (Verdict.RENEW, "it uses 900 MB, and may use 500 (router_memory_limit)")
    assert judge(high)[0] is judge(low, 500)[0] is judge([*low, *high[:2]], 500)[0] is Verdict.LEAVE


def test_how_long_a_router_is_left_alone() -> None:
    told = [seconds([{"seconds": 8}]) for _ in range(50)]
    assert all(8 <= one <= 8 * (1 + SPREAD) for one in told)
    assert len(set(told)) > 10
    wrong: tuple[list[object], ...] = (
        [],
        [8],
        [{}],
        [{"seconds": "8"}],
        [{"seconds": True}],
        [{"seconds": -1}],
        [{"seconds": LONGEST + 1}],
    )
    assert {seconds(args) for args in wrong} == {0.0}
    assert rights.LEAVING == LEAVING
