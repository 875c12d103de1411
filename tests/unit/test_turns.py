"""Turns between peers, on a clock and with work of the test's own."""

from collections.abc import Callable
from typing import Any

import pytest

from ionman.routers import turns
from ionman.routers.turns import SHARE, Peers, Share, Turns

COST = 0.001  # s of one message


class World:
    """A clock that only work moves, and what is called for the reactor's next round."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[Callable[[], Any]] = []

    def call_later(self, seconds: float, call: Callable[[], Any]) -> None:
        assert seconds == 0
        self.calls.append(call)

    def round(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Sender:
    """A connection with so many messages to be worked off."""

    def __init__(self, world: World, share: Share, messages: int) -> None:
        self.world, self.share, self.messages = world, share, messages
        self.lined = self.held = False

    @property
    def pending(self) -> bool:
        return self.messages > 0

    def work(self, until: float) -> None:
        while self.messages and self.world.now < until:
            self.messages -= 1
            self.world.now += COST

    def hold(self) -> None:
        self.held = True

    def release(self) -> None:
        self.held = False


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr(turns, "clock", lambda: found.now)
    return found


def test_one_message_is_worked_off_at_once(world: World) -> None:
    sender = Sender(world, Share(("10.0.0.1", "alice")), 1)
    Turns(world.call_later).offer(sender)
    assert (sender.messages, sender.held) == (0, False)


def test_who_sends_much_waits_and_all_of_it_is_worked_off(world: World) -> None:
    dealt, sender = Turns(world.call_later), Sender(world, Share(("10.0.0.1", "bob")), 100)
    dealt.offer(sender)
    assert sender.held
    rounds = 0
    while sender.messages:
        before = world.now
        world.round()
        rounds += 1
        assert world.now - before <= SHARE + COST
    assert rounds > 10
    assert not sender.held


def test_a_crowd_of_one_address_costs_the_others_no_more_than_one_of_it(world: World) -> None:
    dealt, crowd, alice = Turns(world.call_later), Share(("10.0.0.2", "")), Share(("10.0.0.1", "alice"))
    for sender in (senders := [Sender(world, crowd, 100) for _ in range(50)]):
        dealt.offer(sender)
    for _ in range(20):
        before = world.now
        world.round()
        dealt.offer(one := Sender(world, alice, 1))
        assert one.messages == 0
        assert world.now - before <= SHARE + 3 * COST
    assert len({sender.messages for sender in senders}) <= 3, "they take turns among themselves too"


def test_the_connections_of_an_address_are_counted_by_whose_they_are() -> None:
    peers = Peers()
    shares = [peers.enter("10.0.0.1", user) for user in ("", "", "alice")]
    assert shares[0] is shares[1]
    assert (peers.addresses["10.0.0.1"], peers.strangers) == (3, 2)
    for share in shares:
        peers.leave(share)
    assert (dict(peers.addresses), peers.strangers) == ({}, 0)
    assert peers.enter("10.0.0.1", "") is not shares[0]
