"""What waits for another router, which events are known, and what the links' key is made from."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from nacl.signing import SigningKey

from ionman import router
from ionman.routers import links
from tests.unit.test_router import description

pytestmark = pytest.mark.filterwarnings("ignore:'crypt' is deprecated:DeprecationWarning")  # which Autobahn imports


@pytest.fixture
def crossbars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the code that runs in Crossbar, under the names that it has there."""
    for name, source in router.CODE.items():
        (tmp_path / name).write_text((Path(router.__file__).parent / source).read_text())
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("ionman_"):
            del sys.modules[name]


@pytest.fixture
def link(crossbars: Path) -> ModuleType:
    return importlib.import_module("ionman_link")


@pytest.fixture
def linking(crossbars: Path) -> ModuleType:
    return importlib.import_module("ionman_links")


def test_what_was_sent_and_not_taken_is_sent_again_in_its_order(link: ModuleType) -> None:
    outbox = link.Outbox()
    for number in range(4):
        outbox.add(bytes([number]), 0.0)
    assert outbox.batch() == [b"\0", b"\1", b"\2", b"\3"]
    outbox.add(b"\4", 0.0)
    outbox.back()
    assert outbox.batch() == [b"\0", b"\1", b"\2", b"\3", b"\4"]
    assert (outbox.done(), len(outbox), outbox.batch()) == (5, 0, [])


def test_a_batch_has_a_limit_that_one_event_may_pass(link: ModuleType) -> None:
    outbox = link.Outbox()
    for size in (link.BATCH + 1, link.BATCH - 1, 1, 1):
        outbox.add(bytes(size), 0.0)
    sizes = []
    while len(outbox):
        sizes.append([len(event) for event in outbox.batch()])
        outbox.done()
    assert sizes == [[link.BATCH + 1], [link.BATCH - 1, 1], [1]]


def test_the_oldest_make_room_and_are_counted(link: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MOST_OCTETS", 10)
    outbox = link.Outbox()
    for number in range(4):
        outbox.add(bytes([number] * 4), 0.0)
    assert (outbox.lost, outbox.batch()) == (2, [b"\2" * 4, b"\3" * 4])
    outbox.done()
    outbox.add(b"old", 100.0)
    outbox.add(b"new", 101.0 + link.KEPT)
    assert (outbox.lost, outbox.batch()) == (3, [b"new"])


def test_a_router_gets_nothing_from_before_its_start(link: ModuleType) -> None:
    outbox = link.Outbox()
    for number in range(4):
        outbox.add(bytes([number]), float(number))
    outbox.since(2.0)
    assert (outbox.lost, outbox.batch()) == (0, [b"\2", b"\3"])


def test_a_key_is_one_publisher_s_and_one_topic_s(linking: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = linking.Keys()
    assert [keys.repeats("alice", "app.a", "k"), keys.repeats("alice", "app.a", "k")] == [False, True]
    assert not keys.repeats("bob", "app.a", "k")
    assert not keys.repeats("alice", "app.b", "k")
    monkeypatch.setattr(linking, "REMEMBERED", 2)
    keys = linking.Keys()
    assert [keys.repeats("a", "app.a", key) for key in ("1", "2", "3", "1", "3")] == [False, False, False, False, True]


def test_all_links_of_a_fleet_have_one_key_that_another_secret_does_not_make() -> None:
    seed, public = links.keys("the secret of a fleet")
    assert links.keys("the secret of a fleet") == (seed, public)
    assert bytes(SigningKey(bytes.fromhex(seed)).verify_key).hex() == public
    assert links.keys("another secret of a fleet")[1] != public


def test_another_router_changes_only_the_file_that_is_read_while_crossbar_runs() -> None:
    secret = {"name": "one", "secret": "the secret of a fleet", "ca": "/etc/ionman/ca.pem"}
    peers = [{"name": "two", "address": "two:8443"}]
    salt = bytes(16)
    alone = router.files(description() | {"links": secret}, salt)
    linked = router.files(description() | {"links": {**secret, "peers": peers}}, salt)
    assert [name for name in linked if linked[name] != alone[name]] == [router.LINKS]
    assert "the secret of a fleet" not in "".join(linked.values())
    assert links.keys("the secret of a fleet")[0] not in linked[router.CONFIGURATION]


def test_a_link_may_hand_events_over_and_nothing_else() -> None:
    described = description() | {"links": {"name": "one", "secret": "the secret of a fleet", "ca": "/ca.pem"}}
    worker = router.node(described, bytes(16))["workers"][0]
    entrance = worker["transports"][0]["paths"]["link"]
    for realm in worker["realms"]:
        (principal,) = (
            one for one in entrance["auth"]["cryptosign"]["principals"].values() if one["realm"] == realm["name"]
        )
        (role,) = (one for one in realm["roles"] if one["name"] == principal["role"])
        allowed = {(one["uri"], action) for one in role["permissions"] for action, yes in one["allow"].items() if yes}
        assert allowed == {(links.TAKE, "call")}
    assert "link" not in router.node(description(), bytes(16))["workers"][0]["transports"][0]["paths"]
