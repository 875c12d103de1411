"""`ionman user` on a router's host, and what it does to who is logged in."""

import asyncio
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest

from ionman.call import Account, Client
from ionman.calls import message as wamp
from ionman.calls.reach import Trust, parse
from ionman.calls.wamp import join
from ionman.errors import ConfigurationError, InputError, IonmanError, Refused
from ionman.hosts.layout import Layout
from ionman.user import Person
from ionman.users.place import Place
from tests.users.conftest import People, refusal, until

pytestmark = pytest.mark.router
LEFT = "; no session from before is left on this host's router\n"


def test_add_list_passwd_remove(people: People) -> None:
    said = people.verb("add", "frida", "--role", "client", "mail=frida@example.org", "age=42", line="a good sentence\n")
    assert said == "added frida (client) to ionman\n"
    people.enter("frida", "a good sentence").close()
    found = {one["name"]: one for one in json.loads(people.verb("list", "--json"))}
    extra = {"mail": "frida@example.org", "age": 42}
    assert found["frida"].pop("revision") > 0
    assert found["frida"] == {"realm": "ionman", "name": "frida", "role": "client", "disabled": False, "extra": extra}
    assert "sentence" not in (people.place.settings.parent.parent / "users/users.json").read_text()
    assert b"sentence" not in (people.folder / "users.db").read_bytes()

    assert people.verb("passwd", "frida", line="a better sentence\n") == f"frida has a new password{LEFT}"
    assert isinstance(refusal(lambda: people.enter("frida", "a good sentence")), Refused)
    people.enter("frida", "a better sentence").close()
    assert people.verb("remove", "frida") == f"frida was removed{LEFT}"
    assert isinstance(refusal(lambda: people.enter("frida", "a better sentence")), Refused)


@pytest.mark.parametrize(
    ("words", "line", "said"),
    [
        (("add", "alice", "--role", "client"), "long enough\n", "alice is a user of the inventory"),
        (("add", "gerd", "--role", "nobody"), "long enough\n", "no role nobody"),
        (("add", "gerd", "--role", "host"), "long enough\n", "no role host"),
        (("add", "ge rd", "--role", "client"), "long enough\n", "no user's name"),
        (("add", "gerd", "--role", "client"), "short\n", "5 characters"),
        (("add", "gerd", "--role", "client"), "", "no password"),
        (("add", "gerd", "--role", "client", "name=x"), "long enough\n", "is no field"),
        (("add", "gerd", "--role", "client", "--realm", "else"), "long enough\n", "no realm else"),
        (("disable", "gerd"), "", "no user gerd"),
        (("change", "gerd"), "", "nothing was said"),
    ],
)
def test_what_cannot_be_done_is_said(people: People, words: tuple[str, ...], line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        people.verb(*words, line=line)
    assert people.database.get("ionman", "gerd") is None


def test_a_host_without_users_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="keeps no users") as caught:
        Place(Layout(tmp_path)).read()
    assert "router_users" in caught.value.remedy


def test_disabling_ends_every_session_and_enabling_lets_in_again(people: People) -> None:
    people.add("hanna")
    with people.enter("hanna") as one, people.enter("hanna") as other:
        assert people.verb("disable", "hanna") == f"hanna is disabled{LEFT}"
        for client in (one, other):
            until(lambda client=client: ended(client))
    assert isinstance(refusal(lambda: people.enter("hanna")), Refused)
    people.verb("enable", "hanna")
    people.enter("hanna").close()


def test_a_session_that_takes_no_notice_of_the_goodbye_is_ended_too(people: People) -> None:
    people.add("ida")

    async def stubborn() -> list[list[Any]]:
        """What a client hears that is told to go and calls instead, until the router ends the connection."""
        heard: list[list[Any]] = []
        account = Account(people.router.realm, "ida", "ida-password")
        session = await join(parse(people.router.address), Trust(people.router.ca), account, 10.0)
        session.link.take = heard.append
        await asyncio.to_thread(people.verb, "disable", "ida")
        for number in range(1, 6):
            session.link.send(cbor2.dumps([wamp.CALL, number, {}, "app.nobody"]))
        await asyncio.wait_for(asyncio.shield(session.link.closed), 10.0)
        return heard

    assert [message[0] for message in asyncio.run(stubborn())] == [wamp.GOODBYE]


def test_what_another_host_changed_in_the_same_database_ends_sessions_here_soon(people: People) -> None:
    people.add("jana")
    with people.enter("jana") as jana:
        people.database.change(Person("ionman", "jana", "client", disabled=True))
        until(lambda: ended(jana), 10.0)  # 0.5 s to see it, and what a busy machine adds
    until(lambda: "ended 1 sessions of jana" in people.log())


def test_another_role_counts_from_the_next_login_on_and_ends_the_last(people: People) -> None:
    people.add("karl", team="red")
    with people.enter("karl") as karl:
        people.verb("change", "karl", "--role", "ops", "team=blue")
        until(lambda: ended(karl) or karl.call("wamp.session.count") > 0)
    found = people.database.get("ionman", "karl")
    assert found is not None
    assert (found[0].role, found[0].extra) == ("ops", {"team": "blue"})


def test_while_the_program_is_away_the_inventory_goes_on_and_others_wait(people: People) -> None:
    people.add("lena")
    people.stop()
    try:
        with people.router.caller("alice"):
            error = refusal(lambda: people.enter("lena", deadline=3.0))
        assert not isinstance(error, Refused)
        assert "users_unavailable" in str(error)
        people.database.change(Person("ionman", "lena", "client", extra={"seen": "late"}))
    finally:
        people.start()
    people.enter("lena").close()


def ended(client: Client) -> bool:
    """Whether it is not in any more."""
    try:
        client.call("wamp.session.count", deadline=0.5)
    except IonmanError as error:
        return not isinstance(error, Refused) or "does not let" in str(error)
    return False
