"""The lock on one router, whose client is played."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ionman import lock
from ionman.errors import Unavailable, WampError
from ionman.lock import Answer
from ionman.locks import post
from tests.lock.conftest import until
from tests.lock.test_hold import ALICE, BOB


class Line:
    """What `ionman.connect` gives: joined to a router whose lock somebody has, or nobody."""

    holder: dict[str, Any] | None = None
    up = True

    def __init__(self) -> None:
        if not Line.up:
            raise Unavailable("a:1 refuses connections")
        self.joined = True

    @property
    def router(self) -> str:
        self.joined = self.joined and Line.up
        return "a:1" if self.joined else ""

    def register(self, uri: str, function: Callable[..., Any], invoke: str) -> Any:
        assert (uri, invoke) == (lock.LOCK, "single")
        if Line.holder is not None:
            raise WampError("wamp.error.procedure_already_exists", "")
        Line.holder = function()
        return SimpleNamespace(number=1, error=None)

    def call(self, uri: str, deadline: float) -> Any:
        assert (uri, deadline) == (lock.LOCK, post.ASK)
        if Line.holder is None:
            raise WampError("wamp.error.no_such_procedure", "")
        return Line.holder

    def close(self) -> None:
        self.joined = False


@pytest.fixture
def bob(monkeypatch: pytest.MonkeyPatch) -> post.Post:
    monkeypatch.setattr(Line, "holder", ALICE.document(settled=True))
    monkeypatch.setattr(Line, "up", True)
    monkeypatch.setattr(post.Login, "connect", lambda self, router: Line())
    return post.Post("a:1", post.Login("r", "u", "p"), BOB, lambda: BOB.document(settled=False))


def test_a_holder_gets_time_to_come_back_to_a_restarted_router(bob: post.Post, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bob.attempt() == Answer("a:1", "taken", by=ALICE)
    Line.up, Line.holder = False, None
    assert [bob.attempt().kind for _ in range(3)] == ["away"] * 3
    Line.up = True
    assert (bob.attempt().kind, bob.attempt().settled) == ("taken", False)
    Line.holder = ALICE.document(settled=True)
    assert bob.attempt() == Answer("a:1", "taken", by=ALICE)
    Line.up, Line.holder = False, None
    bob.attempt()
    Line.up = True
    monkeypatch.setattr(post, "COMING", 0.05)
    until(lambda: bob.attempt().kind == "got")


def test_a_lock_that_was_given_back_is_got_at_once(bob: post.Post) -> None:
    assert bob.attempt().kind == "taken"
    Line.holder = None
    assert bob.attempt().kind == "got"
    bob.end()
    assert bob.attempt().kind == "away"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (BOB.document(settled=True), Answer("a:1", "away", "it still keeps our own connection of before")),
        (ALICE.document(settled=False), Answer("a:1", "taken", by=ALICE, settled=False)),
        ({"who": ""}, Answer("a:1", "taken", "who answers there is no holder of a lock")),
    ],
)
def test_what_the_holder_answers(bob: post.Post, answer: dict[str, Any], found: Answer) -> None:
    Line.holder = answer
    assert bob.attempt() == found


def test_without_the_authority_nobody_is_asked(tmp_path: Path) -> None:
    one = post.Post("a:1", post.Login("r", "u", "p", tmp_path / "ca.pem"), BOB, dict)
    assert one.attempt() == Answer("a:1", "away", f"the authority {tmp_path}/ca.pem is not there yet")
