"""Both or none, kept or lost: on routers that are played, where who comes first can be chosen."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ionman.lock import Answer, Owner, Verdict
from ionman.locks import hold, place
from ionman.locks.hold import Hold
from tests.lock.conftest import until

ALICE = Owner("alice@ctrl1", "ctrl1", "2026-11-24T10:00:00Z", "scale demo", "run-a", 41)
BOB = Owner("bob@ctrl2", "ctrl2", "2026-11-24T10:00:05Z", "deploy", "run-b", 42)


class World:
    """Routers by name, each with the owner of its lock; those of `down` answer nobody."""

    def __init__(self, *routers: str) -> None:
        self.owners: dict[str, tuple[Owner, Callable[[], bool]] | None] = dict.fromkeys(routers)
        self.down: set[str] = set()
        self.alone = threading.Lock()


class Played:
    """A post at one router of the world, for the hold of `by`."""

    def __init__(self, world: World, router: str, by: Owner, settled: Callable[[], bool]) -> None:
        self.router, self.joined_once = router, False
        self._world, self._by, self._settled = world, by, settled

    @property
    def got(self) -> bool:
        found = self._world.owners[self.router]
        return found is not None and found[0] == self._by and self.router not in self._world.down

    def attempt(self) -> Answer:
        time.sleep(0.001)  # so that two of them take turns
        with self._world.alone:
            if self.router in self._world.down:
                return Answer(self.router, "away", "it is down")
            found = self._world.owners[self.router]
            if found and found[0] != self._by:
                return Answer(self.router, "taken", by=found[0], settled=found[1]())
            self._world.owners[self.router], self.joined_once = (self._by, self._settled), True
            return Answer(self.router, "got")

    def release(self) -> None:
        with self._world.alone:
            if self.got:
                self._world.owners[self.router] = None

    end = release

    def publish(self, topic: str, document: dict[str, Any]) -> bool:
        del topic, document
        return self.got


def deployer(world: World, by: Owner, *routers: str) -> Hold:
    made: list[Hold] = []
    posts: list[Any] = [Played(world, router, by, lambda: made[0].settled) for router in routers or world.owners]
    made.append(Hold(posts))
    return made[0]


def take(one: Hold, wait: float = 0) -> Verdict:
    return one.take(wait, lambda text: None, lambda: True)


def owners(world: World) -> list[Owner | None]:
    return [found[0] if found else None for found in world.owners.values()]


def test_none_is_kept_when_one_is_taken() -> None:
    world = World("a:1", "b:1")
    first = deployer(world, ALICE, "b:1")
    assert take(first).state == "held"
    second = deployer(world, BOB)
    assert take(second).state == "refused"
    assert owners(world) == [None, ALICE]
    assert second.document()["state"] == "refused"


def test_of_two_at_once_one_gets_both_whatever_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hold, "AGAIN", (0.0, 0.02))
    for _ in range(20):
        world = World("a:1", "b:1")
        pair = [deployer(world, ALICE), deployer(world, BOB)]
        pair[1]._posts.reverse()  # as when its routers have names that sort the other way
        found: list[str] = []
        start = threading.Barrier(2)

        def run(one: Hold, start: threading.Barrier = start, found: list[str] = found) -> None:
            start.wait()
            found.append(take(one).state)

        threads = [threading.Thread(target=run, args=(one,)) for one in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == ["held", "refused"]
        assert owners(world) in ([ALICE, ALICE], [BOB, BOB])
        for one in pair:
            one.release()


def test_who_waits_gets_it_and_is_told_meanwhile() -> None:
    world = World("a:1")
    first, second = deployer(world, ALICE), deployer(world, BOB)
    take(first)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        first.release()

    assert second.take(30, say, lambda: True).state == "held"
    assert said[0].startswith("waiting for the lock, 0 s of 30 s: another deploy is at work: alice@ctrl1")
    second.release()
    assert owners(world) == [None]


def test_who_is_not_wanted_any_more_stops_waiting() -> None:
    world = World("a:1")
    take(deployer(world, ALICE))
    began = time.monotonic()
    assert deployer(world, BOB).take(60, lambda text: None, lambda: False).state == "refused"
    assert time.monotonic() - began < 5


def test_a_router_that_was_away_is_taken_when_it_is_back() -> None:
    world = World("a:1", "b:1")
    world.down.add("a:1")
    one = deployer(world, ALICE)
    assert (take(one).state, one.document()["routers"]) == ("held", ["b:1"])
    world.down.clear()
    until(lambda: one.document()["routers"] == ["a:1", "b:1"])
    one.release()
    assert owners(world) == [None, None]


def test_a_lock_that_somebody_else_settled_in_is_lost_everywhere() -> None:
    world = World("a:1", "b:1")
    one = deployer(world, ALICE)
    take(one)
    world.owners["a:1"] = (BOB, lambda: True)  # the router was restarted, and he was quicker
    until(lambda: one.document()["state"] == "lost")
    until(lambda: owners(world) == [BOB, None])
    assert take(one).state == "lost"


def test_a_lock_that_somebody_only_asks_for_is_not_lost() -> None:
    world = World("a:1", "b:1")
    one = deployer(world, ALICE)
    take(one)
    asks = [True]
    world.owners["a:1"] = (BOB, lambda: not asks[0])
    until(lambda: one._answers["a:1"].kind == "away")
    assert one.document()["state"] == "held"
    world.owners["a:1"] = None  # he was refused by the other
    until(lambda: one.document()["routers"] == ["a:1", "b:1"])
    one.release()


def test_the_run_of_a_process_that_is_gone_has_no_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path_factory.mktemp(
        "a-run-folder-with-a-name-that-is-longer-than-the-path-of-a-socket-may-be-in-linux" * 2
    )
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    assert (place.of(2**22 + 1), place.around()) == (None, None)
    folder = run / "ionman" / "deploy-1234567-89"
    with place.listen(folder):
        place.sweep()
        assert folder.is_dir()
        place.connect(folder, 5).close()
    place.sweep()
    assert not folder.exists()
