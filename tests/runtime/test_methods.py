"""What methods may be, and what a caller gets when one misbehaves, through a real router."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ionman.call import Client
from ionman.errors import Refused, WampError
from tests.crossbar import Crossbar
from tests.runtime.author import Author, Running

METHODS = """
def app_m_echo(self, argv, details):
    return argv

async def app_m_waits(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, 0.05)
    return self.ok({"waited": True})

def app_m_deferred(self, argv, details):
    from twisted.internet.defer import succeed
    return succeed(self.ok({"deferred": True}))

async def app_m_calls(self, argv, details):
    return {"said": await self.call("app.m.echo", {"through": "the router"})}

async def app_m_calls_nobody(self, argv, details):
    from ionman.errors import Refused, WampError
    try:
        await self.call("app.m.nobody")
    except WampError as error:
        return self.fail(error.uri)

def app_m_session(self, argv, details):
    user = self.getSession(details)
    return self.ok({"name": user.name, "authid": user.authid, "role": user.role})

@procedure("app.m.with_under_score")
def given(self, argv, details):
    return self.ok()

def app_m_conf(self, argv, details):
    return dict(self.conf)

def app_m_raises(self, argv, details):
    secret = "do-not-tell"
    raise KeyError(secret)

async def app_m_raises_later(self, argv, details):
    raise ValueError("do-not-tell")

def app_m_deferred_fails(self, argv, details):
    from twisted.internet.defer import fail
    return fail(ValueError("do-not-tell"))

def app_m_set(self, argv, details):
    return self.ok({"items": [1, {2}]})

def app_m_nan(self, argv, details):
    return float("nan")

def app_m_bytes(self, argv, details):
    return b"x"

def app_m_large(self, argv, details):
    return "x" * (2 << 20)

def app_m_itself(self, argv, details):
    endless = []
    endless.append(endless)
    return endless

def app_m_spins(self, argv, details):
    while True:
        try:
            pass
        except Exception:
            pass

def app_m_sleeps(self, argv, details):
    import time
    time.sleep(60)

async def app_m_spins_later(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, 0.05)
    while True:
        pass

async def app_m_never(self, argv, details):
    from twisted.internet.defer import Deferred
    await Deferred()

async def app_m_never_even_cancelled(self, argv, details):
    from twisted.internet.defer import Deferred
    while True:
        try:
            await Deferred()
        except BaseException:
            pass
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, router: Crossbar) -> Iterator[tuple[Client, Running, Path]]:
    """One service with all these methods, for all tests here."""
    author = Author(tmp_path_factory.mktemp("methods"), router).shell("m").module("m", METHODS)
    author.configure(call_timeout=1, app_colour="green", title="Methods")
    running = author.ready()
    with author.caller() as caller:
        yield caller, running, author.folder
    assert running.end() == 0
    author.close()


@pytest.mark.parametrize(
    ("uri", "argv", "answer"),
    [
        ("app.m.echo", {"a": [1, 2.5, None, True, "ü"]}, {"a": [1, 2.5, None, True, "ü"]}),
        ("app.m.waits", {}, {"status": "OK", "waited": True}),
        ("app.m.deferred", {}, {"status": "OK", "deferred": True}),
        ("app.m.calls", {}, {"said": {"through": "the router"}}),
        ("app.m.calls.nobody", {}, None),
        ("app.m.session", {}, {"status": "OK", "name": "alice", "authid": "alice", "role": "client"}),
        ("app.m.with_under_score", {}, {"status": "OK"}),
    ],
)
def test_a_method_answers(served: tuple[Client, Running, Path], uri: str, argv: Any, answer: Any) -> None:
    if answer is None:
        answer = {"status": "FAIL", "message": "wamp.error.no_such_procedure"}
    assert served[0].call(uri, argv) == answer


def test_nothing_sent_is_an_empty_object(served: tuple[Client, Running, Path]) -> None:
    assert served[0].call("app.m.echo") == {}


def test_a_module_sees_the_configuration_without_its_secrets(served: tuple[Client, Running, Path]) -> None:
    conf = served[0].call("app.m.conf")
    assert (conf["app_colour"], conf["title"], conf["user"]) == ("green", "Methods", "myserviceusername")
    assert "password" not in conf
    assert "myservicepassword" not in str(conf)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ((b"x",), "argument is of type bytes"),
        (({"a": [b"x"]},), "argument.a[0] is of type bytes"),
        ((float("nan"),), "argument is nan"),
        (({1: 2},), "argument has the key 1"),
        (({}, {}), "2 arguments were sent"),
        ((1 << 70,), "more than 64 bits"),
    ],
)
def test_what_is_not_json_is_refused(served: tuple[Client, Running, Path], args: tuple[Any, ...], why: str) -> None:
    with pytest.raises(WampError) as caught:
        served[0].call("app.m.echo", *args)
    assert caught.value.uri == "wamp.error.invalid_argument"
    assert why in caught.value.message


@pytest.mark.parametrize("uri", ["app.m.raises", "app.m.raises.later", "app.m.deferred.fails"])
def test_a_method_that_raises_tells_the_log_and_not_the_caller(served: tuple[Client, Running, Path], uri: str) -> None:
    with pytest.raises(WampError) as caught:
        served[0].call(uri)
    assert caught.value.uri == "ionman.error.handler"
    assert "do-not-tell" not in caught.value.message
    reference = caught.value.message.rpartition(" ")[2]
    served[1].until_said(f"(reference {reference})")
    said = served[1].said()
    assert "Traceback" in said
    assert f": Registrations.{uri.replace('.', '_')}: {uri} raised" in said


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("app.m.set", "result.items[1] is of type set"),
        ("app.m.nan", "result is nan"),
        ("app.m.bytes", "result is of type bytes"),
        ("app.m.itself", "nested deeper"),
        ("app.m.large", "result is larger than 983040 octets"),
    ],
)
def test_a_result_that_json_has_no_form_for(served: tuple[Client, Running, Path], uri: str, why: str) -> None:
    with pytest.raises(WampError) as caught:
        served[0].call(uri)
    assert caught.value.uri == "ionman.error.result"
    assert why in caught.value.message


@pytest.mark.parametrize("kind", ["spins", "sleeps", "spins.later", "never", "never.even.cancelled"])
def test_a_method_that_never_returns_is_ended(served: tuple[Client, Running, Path], kind: str) -> None:
    with pytest.raises(WampError) as caught:
        served[0].call(f"app.m.{kind}")
    assert caught.value.uri == "ionman.error.timeout"
    assert "did not answer within 1 s" in caught.value.message
    assert served[0].call("app.m.echo", {"still": "there"}) == {"still": "there"}


def test_errors_are_counted(served: tuple[Client, Running, Path]) -> None:
    caller, running, _ = served
    before = running.ask()["stats"]["app.m.raises"]["errors"]
    with pytest.raises(WampError):
        caller.call("app.m.raises")
    after = running.ask()["stats"]["app.m.raises"]
    assert after["errors"] == before + 1
    assert after["last_error"].startswith("ionman.error.handler")
    assert running.ask()["in_flight"] == 0


def test_the_service_contract_is_for_ops(served: tuple[Client, Running, Path], router: Crossbar) -> None:
    caller, running, folder = served
    document = running.ask()
    service, generation, number = document["instance"].split(".")
    host = "".join(char if char.isalnum() else "_" for char in document["host"].lower())
    prefix = f"ionman.service.{service}.{host}.{generation}.{number}"
    with Author(folder, router).caller("ops") as ops:
        assert ops.call(f"{prefix}.ping")["id"] == document["instance"]
        assert ops.call(f"{prefix}.info")["pid"] == document["pid"]
        assert "app.m.echo" in ops.call(f"{prefix}.stats")["procedures"]
    with pytest.raises(Refused):
        caller.call(f"{prefix}.ping")
