"""What each role may do on a real router that runs the description of tests/cases/router: role x URI x action."""

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cbor2
import pytest
import yaml
from nacl.signing import SigningKey
from websockets.asyncio.client import connect as open_websocket
from websockets.typing import Subprotocol

from ionman.call import Client, call, connect
from ionman.errors import IonmanError, Refused, Unavailable, WampError
from tests.crossbar import BOOT_SECONDS, Crossbar

CASES = Path(__file__).parents[1] / "cases" / "router"
KEY = SigningKey.generate()

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
def starting(tmp_path_factory: pytest.TempPathFactory) -> Crossbar:
    """A router with the description of the cases, on a port and with certificates of its own; not started yet."""
    crossbar = Crossbar(tmp_path_factory.mktemp("described"))
    description = yaml.safe_load((CASES / "description.yml").read_text())
    description["services"][1]["key"] = KEY.verify_key.encode().hex()
    for name in ("realms", "services"):
        crossbar.description[name] = description[name]
    return crossbar


@pytest.fixture(scope="module")
def early(starting: Crossbar) -> Iterator["Future[str]"]:
    """What a service is told that tries to register from before the start on; empty when it may."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(first_registration, starting)


@pytest.fixture(scope="module")
def described(starting: Crossbar, early: "Future[str]") -> Iterator[Crossbar]:
    """That router, up."""
    yield starting.start()
    starting.stop()


def first_registration(crossbar: Crossbar) -> str:
    deadline = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < deadline:
        try:
            with joined(crossbar, "demo") as demo:
                demo.register("app.demo.method1", nothing)
                return ""
        except Unavailable:
            time.sleep(0.02)  # not listening yet
        except IonmanError as error:
            return str(error)
    return "the router did not come up"


def joined(described: Crossbar, user: str, realm: str = "ionman") -> Client:
    password, key = ("", KEY.encode().hex()) if user == "query" else (f"{user}-password", "")
    return connect([described.address], realm=realm, user=user, password=password, key=key, ca=described.ca)


def nothing(*args: Any) -> None:
    del args


REQUESTS: dict[str, Callable[[Client, str], Any]] = {
    "register": lambda client, uri: client.register(uri, nothing).cancel(),
    "subscribe": lambda client, uri: client.subscribe(uri, nothing).cancel(),
    "publish": lambda client, uri: client.publish(uri),
    "call": lambda client, uri: client.call(uri),
}


def allowed(client: Client, action: str, uri: str) -> bool:
    """Whether the router lets it happen; a call that nobody answers, because nobody registered it, was allowed."""
    try:
        REQUESTS[action](client, uri)
    except Refused as refused:
        assert "not_authorized" in str(refused)
        return False
    except WampError as error:
        if error.uri != "wamp.error.invalid_uri":  # which is the answer for reserved URIs
            assert action == "call", error
            return True
        return False
    return True


@pytest.mark.parametrize("user", ALLOWED)
def test_a_role_may_do_just_this(described: Crossbar, user: str) -> None:
    with joined(described, user, REALMS.get(user, "ionman")) as client:
        found = {(action, uri) for action, uri in itertools.product(REQUESTS, URIS) if allowed(client, action, uri)}
    assert found == {(action, uri) for action, uris in ALLOWED[user].items() for uri in uris}


def test_a_service_is_disclosed_to_the_one_that_it_calls(described: Crossbar) -> None:
    with joined(described, "query") as query, joined(described, "demo") as demo:
        query.register("app.get_all", lambda *, details: details["caller_authid"], details=True)
        assert demo.call("app.get_all") == "demo"


def test_nobody_was_refused_while_the_router_started(described: Crossbar, early: "Future[str]") -> None:
    """Crossbar starts the authorizer before it listens: the first that gets in may register."""
    assert described.process is not None
    assert early.result() == ""


def test_services_are_refused_while_the_rights_cannot_be_read(described: Crossbar) -> None:
    rights, away = described.directory / "rights.json", described.directory / "away"
    with joined(described, "demo") as demo, joined(described, "alice") as alice:
        assert allowed(demo, "register", "app.get")
        rights.rename(away)
        assert [allowed(demo, action, "app.get") for action in ("register", "call") * 2] == [False] * 4
        assert allowed(alice, "call", "app.get")
        away.rename(rights)
        assert allowed(demo, "register", "app.get")
    assert described.log.read_text().count("cannot be read: No such file or directory; services are refused") == 1


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
    async def answered() -> Any:
        url, context = f"wss://{described.address}/ws", ssl.create_default_context(cafile=str(described.ca))
        cbor = [Subprotocol("wamp.2.cbor")]
        async with asyncio.timeout(10), open_websocket(url, ssl=context, subprotocols=cbor, proxy=None) as websocket:
            await websocket.send(cbor2.dumps([1, "ionman", {"roles": {"caller": {}}}]))
            return await websocket.recv(decode=False)

    answer = cbor2.loads(asyncio.run(answered()))
    assert answer[0] == 3, answer
