"""The client on two real routers that are cut off, silent, killed, frozen: what is made again, and what is not."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any

import pytest

import ionman
from ionman.call import Client
from ionman.calls import wamp
from ionman.calls.link import QUIET, SILENT
from ionman.errors import IonmanError, Late, Unavailable, WampError
from tests.call.relay import Relay
from tests.crossbar import Crossbar

IDEMPOTENT = ("app.t.same.", "app.t.idem*")


@pytest.fixture(scope="module")
def pair(router: Crossbar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crossbar, Crossbar]]:
    """Two routers of one authority; the first is the one that all tests share."""
    second = Crossbar(tmp_path_factory.mktemp("second"), authority=router.authority)
    yield router, second.start()
    second.kill()


def connect(address: str | list[str], router: Crossbar, user: str = "alice", **more: Any) -> Client:
    routers = [address] if isinstance(address, str) else address
    return ionman.connect(routers, user=user, password=router.users[user], ca=router.ca, **{"deadline": 20.0} | more)


class Service:
    """A service on both routers; it counts, and what it does at a call is changed by the test."""

    def __init__(self, name: str, pair: tuple[Crossbar, Crossbar], uris: list[str], closing: ExitStack) -> None:
        self.name = name
        self.calls: list[Any] = []
        self.asked = threading.Event()
        self.hold = threading.Event()  # set: answer at once
        self.hold.set()
        self.relays = [closing.enter_context(Relay(one.port)) for one in pair]
        for relay, one in zip(self.relays, pair, strict=True):
            client = closing.enter_context(connect(relay.address, one, "myserviceusername"))
            for uri in uris:
                client.register(uri, self.answer, "roundrobin")

    def answer(self, argv: Any = None) -> Any:
        self.calls.append(argv)
        self.asked.set()
        self.hold.wait(20)
        return {"by": self.name, "argv": argv}

    def die(self) -> None:
        for relay in self.relays:
            relay.close()


class Place:
    """Two ways to two routers, and services that are registered on both."""

    def __init__(self, pair: tuple[Crossbar, Crossbar], closing: ExitStack) -> None:
        self.pair = pair
        self.closing = closing
        self.ways = [closing.enter_context(Relay(one.port)) for one in pair]

    def service(self, name: str, *uris: str) -> Service:
        return Service(name, self.pair, list(uris), self.closing)

    def client(self, **more: Any) -> Client:
        addresses = [way.address for way in self.ways]
        client = connect(addresses, self.pair[0], idempotent=IDEMPOTENT, **more)
        return self.closing.enter_context(client)


@pytest.fixture
def place(pair: tuple[Crossbar, Crossbar]) -> Iterator[Place]:
    with ExitStack() as closing:
        yield Place(pair, closing)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait for it; how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


# --- the callee goes away -----------------------------------------------------------------------------------------


def test_a_call_in_flight_on_a_callee_that_dies_raises_once_and_is_not_run_again(place: Place) -> None:
    first, client = place.service("first", "app.t.once"), place.client()
    first.hold.clear()
    reply = client.submit("app.t.once", 1)
    assert first.asked.wait(10)
    second = place.service("second", "app.t.once")
    first.die()
    with pytest.raises(WampError, match="disconnect") as caught:
        reply.result(10)
    assert (caught.value.uri, reply.tries, first.calls, second.calls) == ("wamp.error.canceled", 1, [1], [])
    assert client.call("app.t.once", 2)["by"] == "second"


def test_an_idempotent_one_is_answered_by_another(place: Place) -> None:
    first, client = place.service("first", "app.t.same.x"), place.client()
    first.hold.clear()
    reply = client.submit("app.t.same.x", 1)
    assert first.asked.wait(10)
    place.service("second", "app.t.same.x")
    first.die()
    assert (reply.result(10)["by"], reply.tries) == ("second", 2)


def test_the_word_of_the_call_goes_before_the_declaration(place: Place) -> None:
    def drained(*args: Any) -> Any:
        ran.append(args)
        raise WampError("ionman.error.drained", "leaving")

    ran: list[Any] = []
    service = place.closing.enter_context(connect(place.pair[0].address, place.pair[0], "myserviceusername"))
    service.register("app.t.same.drained", drained)
    client = place.client()
    with pytest.raises(WampError, match="leaving"):
        client.call("app.t.same.drained", idempotent=False)
    assert len(ran) == 1
    with pytest.raises(WampError, match="leaving") as caught:
        client.call("app.t.same.drained", deadline=1.0)
    assert (caught.value.uri, len(ran) > 3) == ("ionman.error.drained", True)


# --- the router goes away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["app.t.once", "app.t.idempotent"])
def test_a_connection_that_is_lost_during_a_call(place: Place, uri: str) -> None:
    service, client = place.service("s", uri), place.client()
    service.hold.clear()
    reply = client.submit(uri, 1)
    assert service.asked.wait(10)
    service.hold.set()
    place.ways[0].freeze()  # so that no answer comes any more
    place.ways[0].close()
    if uri == "app.t.once":
        with pytest.raises(Unavailable, match="was lost") as caught:
            reply.result(10)
        assert "may have been done or not" in caught.value.remedy
        assert (reply.tries, service.calls) == (1, [1])
    else:
        assert (reply.result(10)["argv"], reply.tries, service.calls) == (1, 2, [1, 1])
        assert reply.router == place.ways[1].address


def test_a_call_while_no_router_is_joined_waits_and_is_answered(place: Place) -> None:
    service, client = place.service("s", "app.t.once"), place.client()
    lost = threading.Event()
    client.on_lost(lambda why: lost.set())
    place.ways[1].close()
    place.ways[0].freeze()
    place.ways[0].cut()
    assert lost.wait(10)
    replies = [client.submit("app.t.once", number) for number in range(20)]
    with pytest.raises(Unavailable, match="was not asked"):
        client.call("app.t.once", "never", deadline=0.3)
    place.ways[0].thaw()
    assert [reply.result(20)["argv"] for reply in replies] == list(range(20))
    assert {reply.tries for reply in replies} == {1}
    assert service.calls == list(range(20))


def test_what_was_not_sent_when_the_connection_broke_is_sent_to_the_next_router(place: Place) -> None:
    service, client = place.service("s", "app.t.once"), place.client()
    place.ways[0].freeze()
    large = "x" * 900_000
    replies = [client.submit("app.t.once", [number, large]) for number in range(30)]
    until(lambda: replies[0].tries == 1)
    time.sleep(0.2)  # what the system's buffers take is gone
    place.ways[0].close()
    wait(replies, 20)
    sent = [number for number, reply in enumerate(replies) if reply.exception()]
    assert sent == list(range(len(sent)))
    assert 0 < len(sent) < 30
    assert all(isinstance(replies[number].exception(), Unavailable) for number in sent)
    assert [argv[0] for argv in service.calls] == list(range(len(sent), 30))
    assert {reply.tries for reply in replies} == {1}


def test_a_silent_router_is_found_within_five_seconds(place: Place) -> None:
    service, client = place.service("s", "app.t.once", "app.t.same.x"), place.client()
    assert client.call("app.t.once", 0)
    place.ways[0].freeze()
    began = time.monotonic()
    lost, moved = client.submit("app.t.once", 1), client.submit("app.t.same.x", 2)
    assert isinstance(lost.exception(10), Unavailable)
    assert time.monotonic() - began < SILENT + QUIET + 2.0  # the machine is busy with other things
    assert (moved.result(10)["argv"], moved.tries) == (2, 2)
    assert client.router == place.ways[1].address
    assert service.calls == [0, 2]


def test_a_connection_that_is_never_answered_is_made_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wamp, "OPENING", 0.5)
    place.service("s", "app.t.once")
    way = place.ways[0]
    way.mute = 2
    with connect(way.address, place.pair[0]) as client:
        assert client.call("app.t.once", 1)["argv"] == 1
        assert way.taken == 3
        way.mute = 1
        way.cut()
        assert client.call("app.t.once", 2, idempotent=True)["argv"] == 2


# --- nobody has registered it -------------------------------------------------------------------------------------


def test_a_procedure_that_only_the_other_router_has_is_found_there(place: Place) -> None:
    far = place.closing.enter_context(connect(place.pair[1].address, place.pair[1], "myserviceusername"))
    far.register("app.t.far", lambda: "far")
    client = place.client()
    reply = client.submit("app.t.far")
    assert (reply.result(10), reply.tries, reply.router) == ("far", 2, place.ways[1].address)
    assert client.router == place.ways[0].address
    place.ways[0].close()
    assert client.call("app.t.far", idempotent=True) == "far"


def test_what_no_router_has_is_told_at_once_but_waited_for_when_it_is_declared(place: Place) -> None:
    client = place.client()
    both = client.submit("app.t.nowhere")
    assert ("no_such_procedure" in str(both.exception(10)), both.tries) == (True, 2)
    place.ways[1].close()
    until(lambda: len(client.routers) == 1)
    one = client.submit("app.t.nowhere")
    assert ("no_such_procedure" in str(one.exception(10)), one.tries) == (True, 1)
    began = time.monotonic()
    with pytest.raises(WampError, match="no_such_procedure"):
        client.call("app.t.same.nowhere")
    assert 1.9 < time.monotonic() - began < 10.0
    reply = client.submit("app.t.same.soon")
    until(lambda: reply.tries > 1)
    place.service("late", "app.t.same.soon")
    assert reply.result(10)["by"] == "late"


# --- what a client keeps ------------------------------------------------------------------------------------------


def test_registrations_and_subscriptions_are_made_again(place: Place) -> None:
    first, second = place.pair
    news: list[Any] = []
    lost: list[IonmanError] = []
    keeper = place.closing.enter_context(
        connect([way.address for way in place.ways], first, "myserviceusername", deadline=5.0)
    )
    kept = keeper.register("app.t.kept", lambda: "kept")
    keeper.subscribe("app.t.news", news.append)
    keeper.on_lost(lost.append)
    with connect(second.address, second) as other:
        place.ways[0].close()
        until(lambda: keeper.router == place.ways[1].address)
        assert other.call("app.t.kept", idempotent=True) == "kept"
        other.publish("app.t.news", 1)
        until(lambda: news == [1])
        assert (kept.error, len(lost), "was lost" in str(lost[0])) == (None, 1, True)
        kept.cancel()
        with pytest.raises(WampError, match="no_such_procedure"):
            until(lambda: other.call("app.t.kept") != "kept")


def test_a_registration_that_another_has_meanwhile_says_so_and_comes_back(place: Place) -> None:
    one, two = (place.closing.enter_context(connect(way, place.pair[0], "myserviceusername")) for way in _twice(place))
    lost: list[IonmanError] = []
    two.on_lost(lost.append)
    mine = two.register("app.t.single", lambda: "two")
    with pytest.raises(WampError, match="procedure_already_exists"):
        one.register("app.t.single", lambda: "one")
    place.ways[0].freeze()
    place.ways[0].cut()
    place.ways[0].thaw()
    until(lambda: "app.t.single" not in place.pair[0].registrations())
    theirs = one.register("app.t.single", lambda: "one")
    until(lambda: mine.error is not None)
    assert isinstance(mine.error, WampError)
    until(lambda: any(isinstance(why, WampError) for why in lost))
    theirs.cancel()
    until(lambda: mine.error is None)


def _twice(place: Place) -> tuple[str, str]:
    return place.pair[0].address, place.ways[0].address


# --- many at once, and the end ------------------------------------------------------------------------------------


def test_many_threads_with_hundreds_in_flight_get_their_own_answers(place: Place) -> None:
    place.service("s", "app.t.once")
    client = place.client()

    def work(number: int) -> bool:
        replies = [client.submit("app.t.once", [number, each]) for each in range(40)]
        one = client.call("app.t.once", number)["argv"]
        return one == number and [reply.result()["argv"] for reply in replies] == [[number, each] for each in range(40)]

    with ThreadPoolExecutor(20) as threads:
        assert all(threads.map(work, range(20)))


def test_a_short_deadline_is_kept_and_a_late_answer_disturbs_nobody(place: Place) -> None:
    service, client = place.service("s", "app.t.once"), place.client()
    service.hold.clear()
    began = time.monotonic()
    with pytest.raises(Late, match="got no answer"):
        client.call("app.t.once", 1, deadline=0.05)
    assert time.monotonic() - began < 1.0
    service.hold.set()
    assert [client.call("app.t.once", number)["argv"] for number in range(5)] == list(range(5))


def test_closing_ends_what_is_in_flight_and_what_is_asked_after(place: Place) -> None:
    service, client = place.service("s", "app.t.once"), place.client()
    service.hold.clear()
    replies = [client.submit("app.t.once", number) for number in range(50)]
    began = time.monotonic()
    client.close()
    client.close()
    assert {type(reply.exception(1)) for reply in replies} == {Unavailable}
    with pytest.raises(Unavailable, match="closed"):
        client.call("app.t.once")
    assert time.monotonic() - began < 5.0
    service.hold.set()


def test_a_done_callback_may_close_the_client(place: Place) -> None:
    place.service("s", "app.t.once")
    client = place.client()
    client.submit("app.t.once").add_done_callback(lambda reply: client.close())
    until(lambda: not client.router)
    with pytest.raises(Unavailable, match="closed"):
        client.call("app.t.once")


def test_a_done_callback_that_waits_is_told_so(place: Place) -> None:
    service, client = place.service("s", "app.t.once"), place.client()
    said: list[Any] = []
    service.hold.clear()
    client.submit("app.t.once").add_done_callback(lambda reply: said.append(_try(client)))
    service.hold.set()
    until(lambda: bool(said))
    assert "own thread cannot wait" in said[0]


def _try(client: Client) -> str:
    try:
        return str(client.call("app.t.once"))
    except IonmanError as error:
        return error.message


# --- the router itself: the last tests, for they end the second one ------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_router_that_is_frozen_or_killed_costs_nothing_that_may_run_twice(
    pair: tuple[Crossbar, Crossbar], number: signal.Signals
) -> None:
    """Callers in a closed loop go on on the other router; each call of an idempotent procedure is answered."""
    other, first = pair
    assert first.process
    with ExitStack() as closing:
        for one in pair:
            service = closing.enter_context(connect(one.address, one, "myserviceusername"))
            service.register("app.t.same.echo", lambda argv: argv, "roundrobin")
        client = closing.enter_context(connect([first.address, other.address], other, idempotent=IDEMPOTENT))
        done: list[float] = []
        ended = threading.Event()

        def loop(caller: int) -> bool:
            while not ended.is_set():
                assert client.call("app.t.same.echo", [caller, len(done)])[0] == caller
                done.append(time.monotonic())
            return True

        with ThreadPoolExecutor(10) as threads:
            loops = [threads.submit(loop, caller) for caller in range(10)]
            until(lambda: len(done) > 200)
            os.killpg(first.process.pid, number)
            struck = time.monotonic()
            until(lambda: client.router == other.address and done[-1] > struck + 1.0)
            ended.set()
            os.killpg(first.process.pid, signal.SIGCONT)
            assert all(one.result(20) for one in loops)
        assert min(when for when in done if when > struck + 0.05) - struck < 10.0
