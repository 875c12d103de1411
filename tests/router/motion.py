"""A router whose sessions stay while rights are given and taken, beside a model of what must then be true."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ionman import router as describe
from ionman.files import write
from tests.crossbar import Crossbar
from tests.router.declared import may, stands_for
from tests.router.realms import people
from tests.router.sample import SAMPLE, TAKEN
from tests.router.sessions import Answer, Request, Sessions

ACTORS = (  # realm, role: asked by Crossbar's own rules, by the authorizer for ever the same, by changing rights
    *(("ionman", role) for role in ("client", "mixed", "worker", "wilder", "ops", "service_demo", "service_demo_2")),
    *(("other", role) for role in ("worker", "wild", "ops", "service_third")),
)
TOPICS = ("app.demo.get", "app.demo.news", "app.get", "app.x.get", "app.x.y.get", "ionman.deploy.lock", "wamp.x")
OBSERVED = [request for request in SAMPLE if request.action in ("register", "subscribe") and request != TAKEN]
uris, actors = st.sampled_from(TOPICS), st.sampled_from(ACTORS)
some = st.lists(uris.filter(lambda uri: uri.startswith("app.")), unique=True, max_size=3)
entry = st.builds(
    lambda how, allow: {"uri": how[1], "match": how[0], "allow": sorted(allow)},
    st.sampled_from(
        [
            ("prefix", "app."),
            ("prefix", "app.demo."),
            ("wildcard", "app..get"),
            ("wildcard", "app.demo."),
            ("exact", "app.get"),
        ]
    ),
    st.sets(st.sampled_from(["call", "register", "publish", "subscribe"]), min_size=1),
)


class Matrix(RuleBasedStateMachine):
    """Sessions that stay, while rights are given and taken. What is held goes on being held without its right."""

    crossbar: Crossbar
    sessions: Sessions
    declared: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], dict[Request, Answer]] = {}  # who -> what
        self.broken = False
        self.now = json.loads(json.dumps(self.declared))
        self.names = {(realm, role): user for realm, role, user in people(self.declared)}

    # --- what is asked ----------------------------------------------------------------------------------------------

    @rule(who=actors, request=st.sampled_from(OBSERVED))
    def observe(self, who: tuple[str, str], request: Request) -> None:
        """Register or subscribe, and keep it."""
        mine = self.held.setdefault(who, {})
        if request in mine:
            return
        (answer,) = self.sessions.ask(self.names[who], request)
        assert answer.allowed is self.may(who, request), (who, request, answer)
        if answer.allowed:
            mine[request] = answer

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        held = [(who, request) for who, mine in self.held.items() for request in mine]
        who, request = data.draw(st.sampled_from(held))
        self.sessions.give_back(self.names[who], self.held[who].pop(request))

    @rule(who=actors, uri=uris)
    def call(self, who: tuple[str, str], uri: str) -> None:
        """It is answered by one who registered it, if the caller may call."""
        (answer,) = self.sessions.ask(self.names[who], Request("call", uri))
        assert answer.allowed is self.may(who, Request("call", uri)), (who, uri, answer)
        callees = {self.names[other] for other, _ in self.observers("register", who[0], uri)}
        if answer.allowed and callees:
            assert answer.value in callees
        elif answer.allowed:
            assert answer.error == "wamp.error.no_such_procedure"

    @rule(who=actors, uri=uris)
    def publish(self, who: tuple[str, str], uri: str) -> None:
        """Everybody who subscribed gets it, by each of the subscriptions, and nobody else; if it may be published."""
        self.settle()
        self.sessions.events.clear()
        (answer,) = self.sessions.ask(self.names[who], Request("publish", uri))
        assert answer.allowed is self.may(who, Request("publish", uri)), (who, uri, answer)
        self.settle()
        wanted: dict[str, set[int]] = {}
        for other, request in self.observers("subscribe", who[0], uri) if answer.allowed else ():
            wanted.setdefault(self.names[other], set()).add(self.held[other][request].number)
        assert {user: {*numbers} for user, numbers in self.sessions.events.items()} == wanted

    # --- what changes -----------------------------------------------------------------------------------------------

    @rule(
        number=st.integers(0, 2),
        procedures=some,
        kept=some,
        topics=some,
        calls=st.sampled_from([[], ["app."], ["app.x."]]),
    )
    def release(self, number: int, procedures: list[str], **declares: list[str]) -> None:
        """A service declares something else."""
        self.now["services"][number] |= {"procedures": [*procedures, "app.demo.get"], **declares}
        self.land()

    @rule(entries=st.lists(entry, max_size=3))
    def permit(self, entries: list[dict[str, Any]]) -> None:
        """A role that the authorizer answers for may do something else."""
        (role,) = [one for one in self.now["realms"][0]["roles"] if one["name"] == "wilder"]
        role["permissions"] = [*entries, {"uri": "app.demo.get_all", "match": "exact", "allow": ["call"]}]
        self.land()

    @rule()
    def spoil(self) -> None:
        """The rights cannot be read."""
        write(self.crossbar.directory / describe.RIGHTS, "{")
        self.broken = True

    @precondition(lambda self: self.broken)
    @rule()
    def mend(self) -> None:
        """They can be read again."""
        self.land()

    def land(self) -> None:
        """The rights are what is declared now."""
        text = json.dumps(describe.rights(self.crossbar.description | self.now))
        write(self.crossbar.directory / describe.RIGHTS, text)
        self.broken = False

    # --- what is true -----------------------------------------------------------------------------------------------

    def may(self, who: tuple[str, str], request: Request) -> bool:
        """Whether it is declared now, by rights that can be read where the authorizer is asked."""
        if self.broken and who[1] not in ("client", "ops"):
            return False
        return may(self.now, *who, *request)

    def observers(self, action: str, realm: str, uri: str) -> Iterator[tuple[tuple[str, str], Request]]:
        """Who holds what a call of `uri`, or an event, may come by."""
        for who, mine in self.held.items():
            for request in mine if who[0] == realm else ():
                if request.action == action and stands_for(request.uri, request.match, uri):
                    yield who, request

    def settle(self) -> None:
        """Let everybody have heard what was sent before."""
        for who in ACTORS:
            self.sessions.ask(self.names[who], Request("publish", "wamp.x"))

    def teardown(self) -> None:
        """Leave the router as it was."""
        for who, mine in self.held.items():
            self.sessions.give_back(self.names[who], *mine.values())
        self.now = self.declared
        self.land()
