"""What each role may do on a real router that runs the description of tests/cases/router: role x URI x action."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from nacl.signing import SigningKey

from ionman.call import Account, call
from ionman.calls.reach import open_websocket, parse, trust
from ionman.calls.session import Session
from ionman.errors import Refused
from tests.crossbar import Crossbar

CASES = Path(__file__).parents[1] / "cases" / "router"
KEY = SigningKey.generate()
# WAMP message numbers: request, and what a permitted one is answered with
REQUESTS = {"register": (64, 65), "subscribe": (32, 33), "publish": (16, 17), "call": (48, 50)}
ERROR = 8

URIS = (
    *(
        "app.demo.method1",
        "app.demo.news",
        "app.demo.other",
        "app.get",
        "app.get_all",
        "app.get_all_of_it",
        "application.x",
    ),
    *(
        "ionman.service.demo.host1.ab12cd34.1.ping",
        "ionman.service.query_2.host1.ab12cd34.1.ping",
        "ionman.deploy.lock",
    ),
    *("wamp.session.count", "wamp.registration.list", "wamp.session.on_join"),
    *("wamp.registration.lookup", "wamp.registration.count_callees"),
)
META = URIS[-2:]
PINGS = "ionman.service.demo.host1.ab12cd34.1.ping", "ionman.service.query_2.host1.ab12cd34.1.ping"
APP = tuple(uri for uri in URIS if uri.startswith("app."))
WAMP = tuple(uri for uri in URIS if uri.startswith("wamp."))
IONMAN = tuple(uri for uri in URIS if uri.startswith("ionman."))

# user -> action -> the URIs on which it is allowed; everything else is refused
ALLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "alice": {"call": APP, "subscribe": APP},
    "aud": {"call": ("app.get",), "subscribe": ("app.demo.method1", "app.demo.news", "app.demo.other")},
    "demo": {
        "register": ("app.demo.method1", "app.get", PINGS[0]),
        "call": (*APP, *META, PINGS[0]),
        "publish": ("app.demo.news",),
        "subscribe": ("app.demo.news",),
    },
    "query": {"register": ("app.get_all", PINGS[1]), "call": (*META, PINGS[1])},
    "olivia": {
        "call": (*WAMP, *IONMAN),
        "subscribe": (*WAMP, *IONMAN),
        "register": ("ionman.deploy.lock",),
        "publish": ("ionman.deploy.lock",),
    },
    "mia": {"call": APP, "subscribe": ("app.get",)},
    "oscar": {"call": APP},
}
REALMS = {"oscar": "other"}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    """A router that runs the description of the cases, on a port and with certificates of its own."""
    crossbar = Crossbar(tmp_path_factory.mktemp("described"))
    description = yaml.safe_load((CASES / "description.yml").read_text())
    description["services"][1]["key"] = KEY.verify_key.encode().hex()
    for name in ("realms", "services"):
        crossbar.description[name] = description[name]
    yield crossbar.start()
    crossbar.stop()


def joined(described: Crossbar, user: str, realm: str) -> Session:
    secret = {"key": KEY.encode().hex()} if user == "query" else {"password": f"{user}-password"}
    closing = ExitStack()
    place = parse(described.address)
    websocket = open_websocket(place, trust(described.ca), 10, closing)
    return Session(place, websocket, time.monotonic() + 30, closing).join(Account(realm, user, **secret))


def allowed(session: Session, number: int, action: str, uri: str) -> bool:
    """Whether the router lets it happen; a call that nobody answers, because nobody registered it, was allowed."""
    sent, done = REQUESTS[action]
    options = {"acknowledge": True} if action == "publish" else {}
    session.send([sent, number, options, uri])
    answer = session.receive()
    if answer[0] == ERROR:
        assert answer[1:3] == [sent, number]
        if answer[4] in ("wamp.error.not_authorized", "wamp.error.invalid_uri"):  # the latter for reserved URIs
            return False
        assert action == "call", answer
        return True
    assert answer[0] == done, answer
    if action == "register":
        session.send([66, number + 10000, answer[2]])
        assert session.receive()[0] == 67
    return True


@pytest.mark.parametrize("user", ALLOWED)
def test_a_role_may_do_just_this(described: Crossbar, user: str) -> None:
    session = joined(described, user, REALMS.get(user, "ionman"))
    numbered = enumerate(itertools.product(REQUESTS, URIS), 1)
    found = {(action, uri) for number, (action, uri) in numbered if allowed(session, number, action, uri)}
    session.leave()
    assert found == {(action, uri) for action, uris in ALLOWED[user].items() for uri in uris}


def ask(described: Crossbar, user: str, password: str, realm: str = "ionman", **more: Any) -> Any:
    routers = [described.address]
    return call("app.x", routers=routers, ca=described.ca, realm=realm, user=user, password=password, **more)


@pytest.mark.parametrize(
    ("user", "password", "realm"),
    [
        ("alice", "alice-password", "other"),  # the same role name in both realms
        ("oscar", "oscar-password", "ionman"),
        ("olivia", "olivia-password", "other"),  # ops of one realm is not ops of the other
        ("demo", "demo-password", "other"),
        ("alice", "", "ionman"),
        ("anonymous", "x", "ionman"),
        ("query", "a-password-for-a-key-user", "ionman"),
    ],
)
def test_who_may_not_log_in(described: Crossbar, user: str, password: str, realm: str) -> None:
    more = {} if password else {"key": SigningKey.generate().encode().hex()}
    with pytest.raises(Refused):
        ask(described, user, password, realm, **more)


def test_another_key_is_refused(described: Crossbar) -> None:
    with pytest.raises(Refused):
        ask(described, "query", "", key=SigningKey.generate().encode().hex())


def test_anonymous_is_refused(described: Crossbar) -> None:
    closing = ExitStack()
    place = parse(described.address)
    session = Session(place, open_websocket(place, trust(described.ca), 10, closing), time.monotonic() + 10, closing)
    session.send([1, "ionman", {"roles": {"caller": {}}}])
    answer = session.receive()
    assert answer[0] == 3, answer
    closing.close()
