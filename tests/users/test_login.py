"""A real Crossbar lets in who is in the database, and nobody else."""

import pytest

from ionman.errors import Refused, WampError
from tests.users.conftest import People, refusal

pytestmark = pytest.mark.router


def test_who_is_in_the_database_logs_in_with_the_role_from_there(people: People) -> None:
    people.add("carol")
    people.add("otto", role="ops")
    with people.enter("carol") as carol, people.enter("otto") as otto:
        assert otto.call("wamp.session.count") > 0
        with pytest.raises(Refused, match="not_authorized"):
            carol.call("wamp.session.count")


def test_who_is_not_there_and_who_guesses_get_the_same_answer(people: People) -> None:
    people.add("dora")
    guessed = refusal(lambda: people.enter("dora", "guessed"))
    assert isinstance(guessed, Refused)
    assert str(refusal(lambda: people.enter("nobody", "guessed"))) == str(guessed).replace("dora", "nobody")


def test_users_of_the_inventory_log_in_as_before(people: People) -> None:
    with people.router.caller("alice") as alice, pytest.raises(WampError, match="no_such_procedure"):
        alice.call("app.nobody")


def test_a_name_of_the_inventory_is_not_looked_for_in_the_database(people: People) -> None:
    people.add("alice", role="ops")
    assert isinstance(refusal(lambda: people.enter("alice", "alice-password-of-the-database")), Refused)
    with people.enter("alice") as alice, pytest.raises(Refused, match="not_authorized"):
        alice.call("wamp.session.count")


def test_nobody_but_the_gate_is_told_a_credential(people: People) -> None:
    people.add("erna")
    with people.router.caller("ops") as ops, pytest.raises(Refused, match="only the router's gate"):
        ops.call("ionman.router.account", "erna")
