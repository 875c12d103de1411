"""A real Crossbar lets in who is in the database, and nobody else."""

from typing import Any

import pytest

from ionman.errors import Refused, WampError
from ionman.routers.login import methods
from ionman.routers.people import check, component
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


@pytest.mark.parametrize("role", ["gone", "host", "authorizer", "service_who", "ionman.gate", "trusted"])
def test_a_role_that_is_not_for_people_lets_nobody_in(people: People, role: str) -> None:
    people.add(f"zoe-{role}", role=role)
    assert isinstance(refusal(lambda: people.enter(f"zoe-{role}")), Refused)


def test_nobody_but_the_gate_is_told_a_credential(people: People) -> None:
    people.add("erna")
    with people.router.caller("ops") as ops, pytest.raises(Refused, match="only the router's gate"):
        ops.call("ionman.router.account", "erna")


DESCRIBED: dict[str, Any] = {
    **{"certificate": "/etc/leaf.pem", "key": "/etc/leaf.key"},
    "realms": [{"name": "ionman", "roles": [{"name": "client"}]}],
}


def test_people_may_log_in_where_the_inventory_has_no_password() -> None:
    assert methods(DESCRIBED, bytes(16)) == {}
    described = {**DESCRIBED, "users": {"database": "sqlite"}}
    assert methods(described, bytes(16)) == {"scram": {"type": "static", "principals": {}}}


@pytest.mark.parametrize(
    ("database", "links", "said"),
    [
        ("sqlite", {}, ""),
        ("postgresql://keeper:secret@db.example.org/users", {}, ""),
        ("postgresql://keeper:secret@db.example.org:5432/users?sslmode=verify-full", {}, ""),
        ("postgresql://keeper:secret@db.example.org/users", {"peers": ["x"]}, ""),
        ("sqlite", {"peers": ["x"]}, "users of its own"),
        ("mysql://keeper:secret@db/users", {}, "is no database"),
        ("sqlite:////tmp/users.db", {}, "is no database"),
        ("postgresql://db.example.org/users", {}, "is no database"),
        ("", {}, "is empty"),
        ("{{ vault_users }}", {}, "is a template"),
    ],
)
def test_a_database_is_checked_and_not_repeated(database: str, links: dict[str, Any], said: str) -> None:
    found = [*check({**DESCRIBED, "users": {"database": database}, "links": links})]
    assert {problem.path for problem in found} <= {"users.database"}
    assert any(said in problem.message for problem in found) if said else not found
    assert "secret" not in "".join(map(str, found))


def test_an_inventory_without_people_has_a_gate_that_asks_for_nobody() -> None:
    extra = component(DESCRIBED, DESCRIBED["realms"][0], "a.B", bytes(16))["extra"]
    assert (extra["people"], extra["taken"], extra["roles"]) == (False, [], {})


def test_roles_are_those_of_their_own_realm() -> None:
    described = {**DESCRIBED, "users": {"database": "sqlite"}}
    described["realms"] = [{"name": name, "roles": [{"name": "client"}]} for name in ("ionman", "other")]
    roles = [component(described, realm, "a.B", bytes(16))["extra"]["roles"] for realm in described["realms"]]
    assert roles == [{"client": "client", "ops": "ops"}, {"client": "client_other", "ops": "ops_other"}]
