"""Failed logins: how many, from where, and how long the next one waits; on a clock of its own, and on a router."""

from functools import partial

import pytest

from ionman.errors import Refused, Unavailable
from ionman.routers.attempts import ADDRESS, HERE, MOST, USER, Attempts, place
from tests.users.conftest import People, refusal


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def failing(attempts: Attempts, times: int, address: str = "192.0.2.1", user: str = "alice") -> None:
    for _ in range(times):
        assert not attempts.wait(address, user)
        attempts.failed(address, user)


def test_so_many_may_fail_and_then_one_at_a_time() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    failing(attempts, HERE.holds)
    assert attempts.wait("192.0.2.1", "alice") == pytest.approx(HERE.leak)
    assert not attempts.wait("192.0.2.2", "alice")
    assert not attempts.wait("192.0.2.1", "bob")
    clock.now += HERE.leak
    failing(attempts, 1)
    assert attempts.wait("192.0.2.1", "alice") == pytest.approx(HERE.leak)
    clock.now += HERE.leak * HERE.holds
    failing(attempts, HERE.holds)


def test_a_login_forgives_the_slips_before_it() -> None:
    attempts = Attempts(Clock())
    failing(attempts, HERE.holds - 1)
    attempts.succeeded("192.0.2.1", "alice")
    failing(attempts, HERE.holds)


def test_who_guesses_names_from_one_address_is_stopped_and_its_regulars_are_not() -> None:
    attempts = Attempts(Clock())
    attempts.succeeded("192.0.2.1", "alice")
    for number in range(ADDRESS.holds):
        failing(attempts, 1, user=f"guess{number}")
    assert attempts.wait("192.0.2.1", "another") > 0
    assert attempts.wait("192.0.2.1", "bob") > 0
    assert not attempts.wait("192.0.2.1", "alice")
    assert not attempts.wait("192.0.2.2", "bob")


def test_who_guesses_one_password_from_many_addresses_is_stopped_and_the_user_is_not() -> None:
    attempts = Attempts(Clock())
    attempts.succeeded("198.51.100.1", "alice")
    for number in range(USER.holds):
        failing(attempts, 1, address=f"192.0.2.{number}")
    assert attempts.wait("203.0.113.9", "alice") > 0
    assert not attempts.wait("198.51.100.1", "alice")
    attempts.forget("alice")
    assert attempts.wait("198.51.100.1", "alice") > 0


def test_what_is_remembered_has_an_end() -> None:
    attempts = Attempts(Clock())
    for number in range(MOST):
        attempts.failed(f"address{number}", "alice")
    assert len(attempts._levels) == MOST


@pytest.mark.parametrize(
    ("peer", "where"),
    [
        ("tcp4:192.0.2.7:50000", "192.0.2.7"),
        ("tcp6:2001:db8:1:2:3:4:5:6:50000", "2001:db8:1:2::/64"),
        ("tcp6:[2001:db8:1:2::9]:50000", "2001:db8:1:2::/64"),
        ("tcp6:::ffff:192.0.2.7:50000", "192.0.2.7"),
        ("tcp4:strange:50000", "strange:50000"),
        ("unix", "unix"),
        ("", "unknown"),
    ],
)
def test_where_a_peer_is(peer: str, where: str) -> None:
    assert place(peer) == where


@pytest.mark.router
def test_a_router_looks_at_no_more_guesses_and_lets_others_in(people: People) -> None:
    people.add("tilda")
    people.add("ulla")
    refused = [refusal(partial(people.enter, "tilda", f"guess {number}")) for number in range(HERE.holds + 1)]
    assert [isinstance(one, Refused) for one in refused] == [True] * HERE.holds + [False]
    right = refusal(lambda: people.enter("tilda"))
    assert isinstance(right, Unavailable)
    assert "too_many_failures" in str(right)
    assert "is looked at in" in str(right)
    people.enter("ulla").close()
    said = (people.folder / "node.log").read_text()
    assert "too many logins of tilda from 127.0.0.1 failed" in said
    assert "guess" not in said


@pytest.mark.router
def test_users_of_the_inventory_are_counted_too(people: People) -> None:
    for number in range(HERE.holds):
        assert isinstance(refusal(partial(people.enter, "bob", f"guess {number}")), Refused)
    assert "too_many_failures" in str(refusal(lambda: people.enter("bob")))
