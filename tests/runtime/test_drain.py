"""Nothing is lost and nothing is half done when an instance ends, whatever it has in flight and why it ends."""

import signal
import threading
import time
from typing import Any

import pytest

from ionman import control
from ionman.errors import Unavailable, WampError
from tests.crossbar import Crossbar
from tests.runtime.author import PATIENCE, Author
from tests.runtime.progressive import ProgressiveCall
from tests.runtime.test_lifecycle import Call, in_flight

SLEEP = """
from IonmanClass import RegistrationsClass, SubscriptionsClass, procedure
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

class Registrations(RegistrationsClass):
"""
KINDS = """
    async def app_demo_steps(self, argv, details):
        for step in range(argv["steps"]):
            details.progress({"step": step})
            await deferLater(reactor, 0.2)
        return self.ok({"steps": argv["steps"]})

    def app_demo_deferred(self, argv, details):
        return deferLater(reactor, argv["seconds"], self.ok)

    async def app_demo_threaded(self, argv, details):
        import time
        await deferToThread(time.sleep, argv["seconds"])
        return self.ok()

    async def app_demo_asks(self, argv, details):
        await deferLater(reactor, argv["seconds"])
        return await self.call("app.demo.deferred", {"seconds": 0.1})
"""
PLAIN = """
    def app_demo_plain(self, argv, details):
        import time
        time.sleep(argv["seconds"])
        return self.ok()
"""
THREAD = """
    def app_demo_thread(self, argv, details):
        import threading, time
        threading.Thread(target=time.sleep, args=(60,)).start()
        return self.ok()
"""
HALF = """
    async def app_half_careful(self, argv, details):
        try:
            await deferLater(reactor, 60)
        finally:
            await self.publish("app.ear.news", "half: finally")

    async def app_half_stubborn(self, argv, details):
        try:
            await deferLater(reactor, 60)
        except BaseException:
            pass
        self.publish("app.ear.news", "half: swallowed")

    async def app_half_later(self, argv, details):
        try:
            await deferLater(reactor, 60)
        finally:
            reactor.callLater(0, lambda: self.publish("app.ear.news", "half: later").addErrback(lambda failure: None))

    def app_half_plain(self, argv, details):
        import time
        try:
            time.sleep(60)
        finally:
            self.publish("app.ear.news", "half: plain").addErrback(lambda failure: None)

    async def app_half_thread(self, argv, details):
        import time
        await deferToThread(time.sleep, 60)
        await self.publish("app.ear.news", "half: thread")

    async def app_half_whole(self, argv, details):
        await self.publish("app.ear.news", "whole")
        await deferLater(reactor, 0.2)
        return self.ok()
"""
EAR = """
from IonmanClass import RegistrationsClass, SubscriptionsClass
HEARD = []
class Subscriptions(SubscriptionsClass):
    def app_ear_news(self, data, details):
        HEARD.append(data)
class Registrations(RegistrationsClass):
    def app_ear_heard(self, argv, details):
        return HEARD
"""


def test_every_kind_of_call_in_flight_is_finished(author: Author, router: Crossbar) -> None:
    author.shell("demo").module("demo", SLEEP + KINDS)
    leaving, staying = author.ready(), author.ready()
    progressive = ProgressiveCall(router, "app.demo.steps", {"steps": 8})
    in_flight(leaving)
    with author.caller() as one, author.caller() as two, author.caller() as three:
        # In turn they go to the one that joined first, each in the turn of its own procedure.
        calls = [
            Call(one, "app.demo.deferred", {"seconds": 1.5}),
            Call(two, "app.demo.threaded", {"seconds": 1.5}),
            Call(three, "app.demo.asks", {"seconds": 1.5}),
        ]
        deadline = time.monotonic() + PATIENCE
        while leaving.ask()["in_flight"] < 4:
            assert time.monotonic() < deadline
        assert leaving.end() == 0
        for call in calls:
            call.join()
            assert (call.answer, call.error) == ({"status": "OK"}, None)
    progressive.join()
    assert (progressive.answer, progressive.error) == ({"status": "OK", "steps": 8}, "")
    assert progressive.progress == [{"step": step} for step in range(8)]
    assert "Traceback" not in leaving.said()
    assert staying.end() == 0


def test_a_progressive_call_ends_at_the_deadline_too(author: Author, router: Crossbar) -> None:
    running = author.shell("demo").module("demo", SLEEP + KINDS).configure(drain_timeout=0.7).ready()
    progressive = ProgressiveCall(router, "app.demo.steps", {"steps": 1000})
    in_flight(running)
    assert running.end() == 0
    progressive.join()
    assert progressive.error == "ionman.error.drained"
    assert "1 in flight were cancelled: the 0.7 s to finish have passed" in running.said()


@pytest.mark.parametrize("second", [False, True])
def test_what_is_cancelled_publishes_nothing_half(author: Author, other: Author, second: bool) -> None:
    listening = other.shell("ear").module("ear", EAR).ready()
    running = author.shell("demo").module("demo", SLEEP + HALF).configure(drain_timeout=30 if second else 1).ready()
    names = ["careful", "stubborn", "later", "thread", "whole"]
    callers = [author.caller() for _ in names]
    calls = [Call(caller, f"app.half.{name}", {}) for caller, name in zip(callers, names, strict=True)]
    for call in calls[-1:]:
        call.join()
        assert call.answer == {"status": "OK"}
    in_flight(running)
    if second:
        running.popen.send_signal(signal.SIGTERM)
        running.until("draining")
    assert running.end() == 0
    for call in calls[:-1]:
        call.join()
        assert call.error is not None
        assert call.error.uri == "ionman.error.drained"
    assert "4 in flight were cancelled" in running.said()
    for caller in callers:
        caller.close()
    with author.caller() as caller:
        assert caller.call("app.ear.heard") == ["whole"]
    assert listening.end() == 0


@pytest.mark.parametrize("second", [False, True])
def test_a_plain_method_holds_up_neither_the_drain_nor_its_deadline(
    author: Author, other: Author, second: bool
) -> None:
    listening = other.shell("ear").module("ear", EAR).ready()
    running = author.shell("demo").module("demo", SLEEP + HALF).configure(drain_timeout=20 if second else 1).ready()
    with author.caller() as one, author.caller() as two:
        calls = [Call(one, "app.half.plain", {}), Call(two, "app.half.plain", {})]
        with pytest.raises(Unavailable):
            while True:  # until the method holds the instance up
                control.ask(running.socket, 0.5)
        running.popen.send_signal(signal.SIGTERM)
        began = time.monotonic()
        if second:
            time.sleep(0.2)
            running.popen.send_signal(signal.SIGTERM)
        assert running.popen.wait(PATIENCE) == 0
        assert time.monotonic() - began < 6
        for call in calls:
            call.join()
            assert call.error is not None
            assert call.error.uri == "ionman.error.drained"
    with author.caller() as caller:
        assert caller.call("app.ear.heard") == []
    assert "Traceback" not in running.said()
    assert listening.end() == 0


def test_a_plain_method_that_needs_less_than_the_deadline_answers(author: Author) -> None:
    running = author.shell("demo").module("demo", SLEEP + PLAIN).ready()
    with author.caller() as one, author.caller() as two:
        calls = [Call(one, "app.demo.plain", {"seconds": 1.5}), Call(two, "app.demo.plain", {"seconds": 1})]
        with pytest.raises(Unavailable):
            while True:
                control.ask(running.socket, 0.5)
        assert running.end() == 0
        for call in calls:
            call.join()
            assert call.answer == {"status": "OK"}


def test_a_thread_that_a_module_leaves_behind_does_not_hold_up_the_end(author: Author) -> None:
    running = author.shell("demo").module("demo", SLEEP + THREAD).ready()
    with author.caller() as caller:
        assert caller.call("app.demo.thread") == {"status": "OK"}
    began = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - began < 10
    assert not list(author.folder.glob("*.sock*"))


class Hammer(threading.Thread):
    """Calls until it is told to stop; `answers` and the URIs of `errors`."""

    def __init__(self, author: Author, uri: str) -> None:
        super().__init__()
        self._author, self._uri = author, uri
        self.enough = threading.Event()
        self.answers: list[Any] = []
        self.errors: set[str] = set()
        self.start()

    def run(self) -> None:
        with self._author.caller() as caller:
            while not self.enough.is_set():
                try:
                    self.answers.append(caller.call(self._uri))
                except WampError as error:
                    self.errors.add(error.uri)


def test_one_refused_procedure_of_many_loses_no_call_of_the_others(author: Author, other: Author) -> None:
    """The first of 200 has callers long before the last is refused: as in the field, where routers are busy."""
    several = "".join(
        f'    @procedure("app.many.p{n}")\n    def p{n}(self, argv, details):\n'
        "        return deferLater(reactor, 0.5, self.ok)\n" for n in range(200)
    )  # fmt: skip
    other.shell("one").module("one", '@procedure("app.many.p199")\ndef one(self, argv, details):\n    return 1')
    blocking = other.configure(schedule="random").ready()
    author.shell("demo").module("demo", SLEEP + several)
    hammers = [Hammer(author, "app.many.p0") for _ in range(3)]
    deadline = time.monotonic() + PATIENCE
    try:
        while not all(hammer.errors for hammer in hammers):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        status, said = author.run()
    finally:
        for hammer in hammers:
            hammer.enough.set()
            hammer.join()
    assert status == 78
    assert "app.many.p199 is registered" in said
    assert "Traceback" not in said
    assert {str(answer) for hammer in hammers for answer in hammer.answers} == {"{'status': 'OK'}"}
    assert {uri for hammer in hammers for uri in hammer.errors} == {"wamp.error.no_such_procedure"}
    assert blocking.end() == 0
