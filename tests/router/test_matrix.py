"""The authorization matrix: what each role may do on a real router equals what the description says, and goes on to.

First every role with a sample of URIs and patterns, by every action; then any order of requests and of new rights.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from ionman import router as describe
from ionman.calls.login import Account
from ionman.errors import Refused
from tests.crossbar import Crossbar
from tests.router.declared import may
from tests.router.motion import Matrix
from tests.router.realms import REALMS, account, described, people
from tests.router.sample import SAMPLE, TAKEN
from tests.router.sessions import Sessions

SEED = 20261124  # of the roles that are made by chance
EXAMPLES = settings(
    max_examples=30, stateful_step_count=40, deadline=None, database=None, suppress_health_check=[*HealthCheck]
)


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    return described(SEED)


@pytest.fixture(scope="module")
def crossbar(tmp_path_factory: pytest.TempPathFactory, declared: dict[str, Any]) -> Iterator[Crossbar]:
    made = Crossbar(tmp_path_factory.mktemp("matrix"))
    made.description |= declared
    yield made.start()
    made.stop()


@pytest.fixture(scope="module")
def everybody(crossbar: Crossbar, declared: dict[str, Any]) -> Iterator[Sessions]:
    with Sessions(crossbar.address, crossbar.ca) as sessions:
        for realm, _, user in people(declared):
            sessions.join(user, account(realm, user))
        yield sessions


def differences(sessions: Sessions, declared: dict[str, Any], realm: str, role: str, user: str) -> list[str]:
    """Where the router does another thing than what is declared; what was allowed is given back at once."""
    asked = [request for request in SAMPLE if request.action in ("register", "subscribe")]
    answers = sessions.ask(user, *asked)
    sessions.give_back(user, *(answer for answer in answers if answer.number))
    others = [request for request in SAMPLE if request not in asked]
    answers += sessions.ask(user, *others)
    return [
        f"{realm} {role}: {request} {'allowed' if answer.allowed else 'refused'} ({answer.error})"
        for request, answer in zip([*asked, *others], answers, strict=True)
        if answer.allowed is not (may(declared, realm, role, *request) and request != TAKEN)
    ]


def test_the_description_is_accepted(crossbar: Crossbar) -> None:
    assert describe.check(crossbar.description) == []


def test_every_role_may_do_just_what_is_declared(everybody: Sessions, declared: dict[str, Any]) -> None:
    found = [text for who in people(declared) for text in differences(everybody, declared, *who)]
    assert not found, "\n".join([str(len(found)), *found[:100]])


def test_who_has_not_logged_in_has_the_role_that_is_written_down_and_only_there(
    crossbar: Crossbar, declared: dict[str, Any]
) -> None:
    with Sessions(crossbar.address, crossbar.ca) as sessions:
        sessions.join("nobody", Account("ionman"))
        found = differences(sessions, declared, "ionman", "caller", "nobody")
        with pytest.raises(Refused):
            sessions.join("nobody elsewhere", Account("other"))
    assert not found, "\n".join(found)


def test_the_routers_host_may_do_just_what_is_declared(crossbar: Crossbar, declared: dict[str, Any]) -> None:
    found = []
    with Sessions(f"unix:{crossbar.door}") as sessions:
        for realm in REALMS:
            sessions.join(realm, Account(realm))
            found += differences(sessions, declared, realm, "host", realm)
    assert not found, "\n".join(found)


def test_who_asks_for_another_realm_stays_in_its_own(crossbar: Crossbar, declared: dict[str, Any]) -> None:
    found = []
    with Sessions(crossbar.address, crossbar.ca) as sessions:
        for realm, role, user in people(declared):
            if role in ("client", "wild", "service_demo"):  # client has other rights in the other realm
                sessions.join(user, account(next(iter({*REALMS} - {realm})), user))
                found += differences(sessions, declared, realm, role, user)
    assert not found, "\n".join(found)


def test_it_equals_what_is_declared_in_any_order_of_requests_and_changes(
    crossbar: Crossbar, everybody: Sessions, declared: dict[str, Any]
) -> None:
    made = type("TheMatrix", (Matrix,), {"crossbar": crossbar, "sessions": everybody, "declared": declared})
    run_state_machine_as_test(made, settings=EXAMPLES)
