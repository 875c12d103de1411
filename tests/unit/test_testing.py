"""The author's double: no router, the same answers."""

from pathlib import Path

import pytest

from ionman.errors import ConfigurationError, WampError
from ionman.runtime import declare
from ionman.testing import Published, Service, User

SHELL = (
    "import ionman\nclass MicroService(ionman.microservice):\n    Modules = ['demo']\napplication = MicroService()\n"
)
DEMO = """
from IonmanClass import RegistrationsClass, SubscriptionsClass, procedure
HEARD = []
class Subscriptions(SubscriptionsClass):
    def app_demo_news(self, data, details):
        user = self.getSession(details)
        HEARD.append((data, user and user.name))
class Registrations(RegistrationsClass):
    def app_demo_who(self, argv, details):
        user = self.getSession(details)
        return self.ok({"who": user.name, "role": user.role}) if user else self.fail("not authorized")
    async def app_demo_tell(self, argv, details):
        await self.publish("app.demo.news", argv)
        return self.ok({"other": await self.call("app.other.thing", {"n": 1}), "colour": self.conf["app_colour"]})
    def app_demo_heard(self, argv, details):
        return [list(item) for item in HEARD]
    def app_demo_bad(self, argv, details):
        return {1}
    def app_demo_raise(self, argv, details):
        raise ValueError("x")
    async def app_demo_never(self, argv, details):
        from twisted.internet.defer import Deferred
        await Deferred()
    async def app_demo_steps(self, argv, details):
        for step in range(argv["steps"] if details.progress else 0):
            details.progress({"step": step})
        HEARD.append(details.progress)
        return self.ok()
    def app_demo_after(self, argv, details):
        HEARD[-1](1)
    def app_demo_bytes(self, argv, details):
        details.progress(b"")
    def app_demo_loop(self, argv, details):
        while True:
            pass
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "demo.py").write_text(SHELL)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "demo.py").write_text(DEMO)
    stubs = {"app.other.thing": lambda argv: argv["n"] + 1}
    return Service(tmp_path / "demo.py", conf={"app_colour": "green"}, stubs=stubs, call_timeout=0.3)


def test_call_with_a_user(service: Service) -> None:
    assert service.call("app.demo.who", user="alice") == {"status": "OK", "who": "alice", "role": "client"}
    assert service.call("app.demo.who", user=User("bob", "bob", "admin"))["role"] == "admin"
    assert service.call("app.demo.who") == {"status": "FAIL", "message": "not authorized"}


def test_publish_and_stub(service: Service) -> None:
    assert service.call("app.demo.tell", {"n": 1}) == {"status": "OK", "other": 2, "colour": "green"}
    assert service.published == [Published("app.demo.news", {"n": 1})]
    service.event("app.demo.news", "from outside", user="alice")
    assert service.call("app.demo.heard") == [[{"n": 1}, "service"], ["from outside", "alice"]]


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("app.demo.bad", "ionman.error.result"),
        ("app.demo.raise", "ionman.error.handler"),
        ("app.demo.never", "ionman.error.timeout"),
        ("app.demo.loop", "ionman.error.timeout"),
        ("app.demo.nothing", "wamp.error.no_such_procedure"),
    ],
)
def test_errors_are_those_of_a_running_service(service: Service, uri: str, error: str) -> None:
    with pytest.raises(WampError) as caught:
        service.call(uri)
    assert caught.value.uri == error


def test_what_is_not_json_is_refused(service: Service) -> None:
    with pytest.raises(WampError, match=r"wamp\.error\.invalid_argument"):
        service.call("app.demo.who", {"a": b"x"})


def test_progressive_results(service: Service) -> None:
    seen: list[object] = []
    assert service.call("app.demo.steps", {"steps": 3}, progress=seen.append) == {"status": "OK"}
    assert seen == [{"step": 0}, {"step": 1}, {"step": 2}]
    # Nothing goes out for a call that is over: a router would not know what it belongs to.
    with pytest.raises(WampError, match=r"ionman\.error\.handler|this call is over"):
        service.call("app.demo.after")
    with pytest.raises(WampError, match="progress is of type bytes"):
        service.call("app.demo.bytes", progress=seen.append)
    assert len(seen) == 3
    assert service.call("app.demo.steps", {"steps": 3}) == {"status": "OK"}


def test_declare(service: Service, tmp_path: Path) -> None:
    assert declare.declared(tmp_path / "demo.py") == {"procedures": service.procedures, "topics": ["app.demo.news"]}
    with pytest.raises(ConfigurationError, match="no Python file"):
        declare.declared(tmp_path / "gone.py")
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(ConfigurationError, match="has no `application`"):
        declare.declared(tmp_path / "none.py")
