"""What the answers of routers come to, and in which words."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ionman import lock
from ionman.lock import Answer, Owner, Verdict

ALICE = Owner("alice@ctrl1", "ctrl1", "2026-11-24T10:00:00Z", "scale demo", "run-a", 41)
BOB = Owner("bob@ctrl2", "ctrl2", "2026-11-24T10:00:05Z", "deploy", "run-b", 42)
GOT, AWAY, BARRED = Answer("a:1", "got"), Answer("b:1", "away", "it is down"), Answer("c:1", "barred", "wrong password")
TAKEN = Answer("d:1", "taken", by=ALICE)


@pytest.mark.parametrize(
    ("answers", "state", "said"),
    [
        ([GOT], "held", ""),
        ([GOT, AWAY], "held", ""),
        ([AWAY, BARRED, GOT], "held", ""),
        ([AWAY], "open", "no router can be asked for the lock: b:1: it is down"),
        ([], "open", "no router can be asked for the lock: no router is named"),
        ([AWAY, BARRED], "barred", "the lock cannot be taken: b:1: it is down; c:1: wrong password"),
        ([GOT, TAKEN], "refused", "another deploy is at work: alice@ctrl1 has held it since 2026-11-24 10:00:00 UTC"),
    ],
)
def test_verdict(answers: list[Answer], state: str, said: str) -> None:
    found = lock.verdict(answers)
    assert (found.state, found.why.startswith(said)) == (state, True), found


def test_who_is_in_the_way_is_said_whole() -> None:
    where = "has held it since 2026-11-24 10:00:00 UTC for scale demo (process 41), on d:1"
    assert lock.refusal(TAKEN) == f"another deploy is at work: alice@ctrl1 {where}"
    assert lock.refusal(Answer("d:1", "taken", "it is silent")) == "the lock on d:1 is taken: it is silent"


@pytest.mark.parametrize("answer", [None, 17, [], {}, {"who": ""}, {"since": "now"}])
def test_an_answer_that_is_none_names_nobody(answer: object) -> None:
    assert lock.owner(answer) == lock.NOBODY


def test_an_owner_comes_back_from_its_document() -> None:
    assert lock.owner(ALICE.document(settled=True)) == ALICE
    assert lock.owner({"who": "x" * 5000, "pid": "no"}) == Owner("x" * 200, "", "", "", "", 0)
    assert lock.moment("yesterday") == "yesterday"


def test_all_ask_in_one_order() -> None:
    assert lock.order(["B:2", " a:1 ", "b:2"]) == ["a:1", "b:2"]


def test_who_is_not_settled_gets_time() -> None:
    refused = Verdict("refused")
    assert lock.patience(0, refused) == 0
    assert lock.patience(60, refused) == 60
    assert lock.patience(0, replace(refused, settled=False)) == lock.UNSETTLED
    assert lock.patience(60, Verdict("open")) == 0
    assert lock.patience(0, Verdict("open"), coming_back=True) == lock.RETURN
    assert lock.patience(60, Verdict("held"), coming_back=True) == 0


def test_a_lock_is_not_free_because_its_router_went_away() -> None:
    refused = Verdict("refused", "alice has it")
    assert lock.after(refused, Verdict("open")) == Verdict("refused", "alice has it", settled=False)
    assert lock.after(refused, Verdict("held")).state == "held"
    assert lock.after(Verdict("open"), Verdict("open")).state == "open"


def test_what_stops_a_roll() -> None:
    assert [lock.objection({"state": state, "why": "x"}) for state in ("held", "open")] == ["", ""]
    assert lock.objection({"state": "barred", "why": "wrong password"}) == "wrong password"
    assert lock.objection({"state": "lost", "why": "bob"}) == "the lock was lost while it was held: bob"
    assert lock.objection({}) == "the lock is not held"


def test_what_a_run_is_for() -> None:
    assert lock.what(["/a/playbooks/deploy.yml"], {}) == "deploy"
    names = {"service": "demo", "limit": "host2", "tags": "service,call"}
    assert lock.what(["scale.yml"], names) == "scale demo (limit host2, tags service,call)"


def test_an_event_says_whose_it_is() -> None:
    told = lock.event({"host": "host1", "id": "forged"}, ALICE, datetime(2026, 11, 24, tzinfo=UTC))
    assert told == {
        **{"host": "host1", "id": "run-a", "who": "alice@ctrl1", "what": "scale demo"},
        "when": "2026-11-24T00:00:00.000+00:00",
    }
