"""The checker on histories made up for each fault: what it must find, and what it must not."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionman.errors import InputError
from ionman.probe import Limits, Verdict, check, expected, judge, matches
from ionman.probes.history import Header, History, Mark, Reply, lines, read
from ionman.probes.latency import percentile
from ionman.probes.words import report

RATE = 200.0
HEADER = Header("ionman.service.demo.probe", RATE)
MARKS = (Mark("rolling", 5.0), Mark("after", 15.0))
HOSTS = 3


def answer(n: int, host: int, generation: str = "aaaaaaaa", version: str = "1.0.0") -> dict[str, Any]:
    who = f"demo.{generation}.1"
    names = {"instance": who, "host": f"host{host}", "generation": generation, "version": version}
    return {"status": "OK", "n": n} | names


def rolled(rate: float = RATE, hosts: int = HOSTS, seconds: float = 20.0) -> History:
    """A clean roll of `hosts` in turn: each has both generations for a second, and then the new one alone."""
    replies = []
    for n in range(1, int(seconds * rate) + 1):
        sent, host = n / rate, n % hosts
        begins, ends = 6.0 + 2 * host, 7.0 + 2 * host
        new = sent >= ends or (sent >= begins and n // hosts % 2)
        names = ("bbbbbbbb", "1.1.0") if new else ("aaaaaaaa", "1.0.0")
        replies.append(Reply(n, sent, 2.0 + n % 10 / 10, 1, answer=answer(n, host, *names)))
    return History(HEADER, MARKS, replies, [(0.0, 3), (6.0, 4), (7.0, 3)], seconds, len(replies))


def with_reply(history: History, n: int, **changes: Any) -> History:
    replies = [replace(reply, **changes) if reply.n == n else reply for reply in history.replies]
    return replace(history, replies=replies)


def faults(history: History, limits: Limits | None = None) -> str:
    return "\n".join(judge(history, limits).faults)


CLEAN = rolled()
SMALL = rolled(rate=20)


def test_a_clean_roll_is_clean() -> None:
    verdict = judge(CLEAN, Limits(callees=3))
    assert verdict.faults == []
    assert (verdict.sent, verdict.answered) == (4000, 4000)
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0)
    assert verdict.callees == (3, 4)
    assert len(verdict.generations) == 2 * HOSTS
    assert verdict.ratios["open"] == pytest.approx(1.0)


def test_a_call_without_an_answer_is_lost() -> None:
    error = "wamp.error.canceled: callee disconnected from in-flight request"
    verdict = judge(with_reply(CLEAN, 1500, answers=0, took=None, answer=None, error=error))
    assert (verdict.lost, verdict.answered) == (1, 3999)
    assert verdict.errors == {"wamp.error.canceled": 1}
    assert "1 lost: 1 wamp.error.canceled; the first is number 1500, sent at 7.50 s" in verdict.faults[0]


def test_a_call_that_was_sent_and_never_written_down_is_lost() -> None:
    verdict = judge(replace(CLEAN, replies=CLEAN.replies[:-1]))
    assert (verdict.sent, verdict.lost) == (4000, 1)
    assert "the first is number 4000" in verdict.faults[0]


def test_the_prober_must_have_come_to_its_end() -> None:
    assert "has no end" in faults(replace(CLEAN, ended=None, sent=None))
    assert "no call was made" in faults(History(HEADER, (), (), (), 1.0, 0))


def test_answered_twice_is_doubled() -> None:
    assert judge(with_reply(CLEAN, 7, answers=2)).doubled == 1
    verdict = judge(replace(CLEAN, replies=[*CLEAN.replies, CLEAN.replies[9]]))
    assert verdict.doubled == 1
    assert "the first is number 10" in verdict.faults[0]
    assert judge(replace(CLEAN, strays=2)).doubled == 2
    assert "2 doubled" in faults(replace(CLEAN, strays=2))


@pytest.mark.parametrize(
    "wrong",
    [{"status": "OK", "n": 18}, {"status": "FAIL", "n": 17}, {"n": 17}, None, "17", [], {"status": "OK", "n": True}],
)
def test_another_answer_is_wrong(wrong: Any) -> None:
    verdict = judge(with_reply(CLEAN, 17, answer=wrong))
    assert (verdict.wrong, verdict.lost) == (1, 0)
    assert "1 wrong: the first is number 17" in verdict.faults[0]


def test_two_answers_in_each_others_place_are_both_wrong() -> None:
    first, second = CLEAN.replies[10].answer, CLEAN.replies[13].answer
    assert judge(with_reply(with_reply(CLEAN, 11, answer=second), 14, answer=first)).wrong == 2


def slower(history: History, began: float, ended: float, took: float, caller: int = 0) -> History:
    """The same, with every call of that time taking `took` ms."""
    replies = [
        replace(reply, took=took if began <= reply.sent < ended else reply.took, caller=caller)
        for reply in history.replies
    ]
    return replace(history, replies=replies)


def test_latency_while_rolling_is_compared_with_before() -> None:
    slow = slower(CLEAN, 9.0, 9.2, 29.0)
    assert judge(slow).ratios["open"] == pytest.approx(10.0)
    assert "p99 while rolling is 10.0 times that before (2.9 ms, then 29.0 ms), and 3 are allowed" in faults(slow)
    assert faults(slow, Limits(ratio=10.5)) == ""
    assert faults(slow, Limits(ratio=0)) == ""
    assert faults(slower(CLEAN, 17.0, 20.0, 29.0)) == "", "after the roll"
    assert "closed loop" in faults(slower(CLEAN, 9.0, 9.2, 29.0, caller=1))


def test_too_few_calls_are_not_compared() -> None:
    few = replace(slower(CLEAN, 5.0, 15.0, 50.0), marks=(Mark("rolling", 0.2), Mark("after", 15.0)))
    assert judge(few).ratios["open"] is None
    assert faults(few) == ""


def test_the_fewest_callees_count() -> None:
    low = replace(CLEAN, callees=[(0.0, 3), (6.0, 2), (6.1, 3)])
    assert "only 2 callees at one time, and 3 were asked for" in faults(low, Limits(callees=3))
    assert faults(low) == ""
    assert "not known" in faults(replace(CLEAN, callees=()), Limits(callees=3))


def replaced(history: History, wanted: Sequence[tuple[float, float]], host: int = 1) -> History:
    """The same, with the old generation answering for `host` in these times."""
    replies = [
        replace(reply, answer=answer(reply.n, host))
        if reply.n % HOSTS == host and any(began <= reply.sent < ended for began, ended in wanted)
        else reply
        for reply in history.replies
    ]
    return replace(history, replies=replies)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([(16.0, 16.03)], "after the roll to bbbbbbbb was over"),
        ([(13.0, 13.03)], "after bbbbbbbb had replaced it"),
        ([(8.5, 14.9)], "when bbbbbbbb was gone"),
    ],
)
def test_what_was_replaced_must_not_come_back(times: Sequence[tuple[float, float]], said: str) -> None:
    odd = replaced(CLEAN, times)
    assert said in faults(odd)
    assert "host1 answered with generation aaaaaaaa" in faults(odd)
    assert faults(replace(odd, marks=(*MARKS, Mark("rollback", 16.0)))) == ""
    failed = judge(replace(odd, marks=(MARKS[0], replace(MARKS[1], status=2))))
    assert failed.clean, "a command that failed puts back what it had changed"
    assert said in failed.notes[0]


def test_a_probe_without_a_roll_needs_no_marks() -> None:
    assert faults(replace(CLEAN, marks=())) == ""
    cut = [reply for reply in CLEAN.replies if reply.sent < 6.5]
    assert faults(replace(CLEAN, marks=(), replies=cut, sent=len(cut))) == "", "in the middle of the roll"


def test_hosts_may_have_generations_of_their_own() -> None:
    replies = [Reply(n, n / RATE, 2.0, 1, answer=answer(n, n % 3, "abc"[n % 3] * 8)) for n in range(1, 4001)]
    assert faults(replace(CLEAN, replies=replies)) == ""


def test_shares_are_counted_for_each_part() -> None:
    verdict = judge(CLEAN)
    assert set(verdict.shares) == {"before", "rolling", "after"}
    assert list(verdict.shares["after"]) == [f"demo.bbbbbbbb.1 on host{host}" for host in range(3)]
    counts = verdict.shares["after"].values()
    assert max(counts) - min(counts) <= 1


def test_the_file_holds_all_of_it() -> None:
    assert read(lines(CLEAN)) == replace(CLEAN, marks=list(MARKS), callees=list(CLEAN.callees))
    text = [*lines(CLEAN)]
    assert check(text) == judge(CLEAN)
    assert "has no end" in "\n".join(check([*text[:-1], text[-1][:10]]).faults), "killed while it wrote"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "no first line"),
        (['{"n": 1}'], "line 1"),
        (["{}", "{}"], "line 1"),
        (['{"probe": 2, "uri": "a.b", "rate": 1}'], "line 1"),
        ([next(lines(CLEAN)), '{"n": 1', "{}"], "line 2"),
        ([next(lines(CLEAN)), '{"other": 1}', "{}"], "line 2"),
        ([next(lines(CLEAN)), "[]", "{}"], "line 2"),
        ([next(lines(CLEAN)), '{"n": 1, "colour": "red"}', "{}"], "line 2"),
    ],
)
def test_what_is_no_history(text: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(text)


def test_the_number_stands_where_the_template_says() -> None:
    template = {"a": "{n}", "b": [1, "{n}", {"c": "{n}"}], "d": "n"}
    assert expected(template, 5) == {"a": 5, "b": [1, 5, {"c": 5}], "d": "n"}


@pytest.mark.parametrize(
    ("wanted", "given_", "right"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, False),
        ({"a": None}, {}, False),
        ([1, 2], [1, 2], True),
        ([1, 2], [1, 2, 3], False),
        (1, True, False),
        (True, True, True),
        ("x", "x", True),
        ({}, None, False),
    ],
)
def test_what_matches(wanted: Any, given_: Any, right: bool) -> None:
    assert matches(wanted, given_) is right


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert percentile([float(n) for n in range(1, 101)], 99) == 99
    assert percentile([5.0], 99) == 5
    assert percentile([], 50) is None


def test_the_report_says_it_in_words() -> None:
    text = report(judge(with_reply(CLEAN, 5, answers=0, took=None, answer=None, error="wamp.error.canceled")))
    assert "4,000 sent, 3,999 answered: 1 lost, 0 doubled, 0 wrong" in text
    assert "never fewer than 3, never more than 4" in text
    assert "FAULT" in text
    assert "NOT CLEAN" in text
    assert "1.1.0 (bbbbbbbb) on host0" in text
    assert report(judge(CLEAN)).endswith("clean")


def test_a_prober_that_was_behind_says_so() -> None:
    behind = replace(CLEAN, replies=[replace(reply, late=30.0) for reply in CLEAN.replies])
    assert "worst 2.9 ms (the prober itself behind by 30.0 ms)" in report(judge(behind))
    assert "behind" not in report(judge(CLEAN))


def test_a_verdict_is_json() -> None:
    document = json.loads(json.dumps(judge(CLEAN).document()))
    assert document["clean"] is True
    assert document["latency"]["open"]["before"]["p99"] == pytest.approx(2.9)


@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from(["lost", "doubled", "wrong", "missing"])), max_size=6))
@settings(deadline=None, max_examples=50)
def test_every_fault_is_counted_and_nothing_else(damages: list[tuple[int, str]]) -> None:
    chosen = dict(damages)  # one for each number
    replies: list[Reply] = []
    for reply in SMALL.replies:
        kind = chosen.get(reply.n)
        if kind == "lost":
            replies.append(replace(reply, answers=0, took=None, answer=None, error="wamp.error.canceled"))
        elif kind == "doubled":
            replies.append(replace(reply, answers=2))
        elif kind == "wrong":
            replies.append(replace(reply, answer=reply.answer | {"n": reply.n + 1}))
        elif kind is None:
            replies.append(reply)
    verdict: Verdict = judge(replace(SMALL, replies=replies))
    kinds = list(chosen.values())
    assert verdict.lost == kinds.count("lost") + kinds.count("missing")
    assert (verdict.doubled, verdict.wrong) == (kinds.count("doubled"), kinds.count("wrong"))
    assert verdict.sent == 400
    assert verdict.clean is (not kinds)
