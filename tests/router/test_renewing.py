"""A certificate that is renewed, and an authority that is changed, under those who are connected: nobody is cut off."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import certificate
from ionman.call import Account, Client
from ionman.certificate import Pair
from ionman.errors import Unavailable
from tests.call.loops import until
from tests.crossbar import Crossbar
from tests.runtime.author import Author, Running

GOOD = "def app_demo_method1(self, argv, details):\n    return self.ok()"
OK = {"status": "OK"}
PATIENCE = 60.0  # s; two busy cores


def replace(path: Path, content: bytes) -> None:
    """As a deploy does it: beside its place, then renamed."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def shown(router: Crossbar) -> bytes:
    """The certificate that the router shows to a new connection, PEM."""
    return ssl.get_server_certificate((router.host, router.port)).encode()


def land(router: Crossbar, pair: Pair) -> None:
    """One file after the other: in the moment between, the old pair stays in service."""
    first = shown(router)
    replace(router.directory / "leaf.pem", pair.certificate)
    assert shown(router) == first
    until(lambda: "the new certificate cannot be used" in router.log.read_text())
    replace(router.directory / "leaf.key", pair.key)
    assert pem(shown(router)) == pem(pair.certificate)


def pem(text: bytes) -> bytes:
    """The same for the same certificate."""
    return b"".join(text.split())


def ready_again(instance: Running) -> None:
    deadline = time.monotonic() + PATIENCE
    while instance.said().count("ready on router") < 2:
        assert time.monotonic() < deadline, instance.said()
        time.sleep(0.05)


@pytest.fixture
def served(own_router: Crossbar, tmp_path: Path) -> Iterator[tuple[Crossbar, Author]]:
    router = own_router.start()
    author = Author(tmp_path, router).configure().shell("demo").module("demo", GOOD)
    yield router, author
    author.close()


def test_a_change_of_authority_cuts_nobody_off(served: tuple[Crossbar, Author]) -> None:
    """Trust both, renew the leaf, drop the old: a service and a client that stay, and clients that come."""
    router, author = served
    instance = author.ready()
    with router.caller("alice") as stays:
        assert stays.call("app.demo.method1") == OK
        worker, old, new = stays.router, router.ca.read_bytes(), certificate.authority("new")

        replace(router.ca, old + new.certificate)
        land(router, certificate.leaf(new, ["localhost", "127.0.0.1"]))
        assert router.call("app.demo.method1") == OK, "a client that trusts both"
        behind = router.directory / "behind.pem"
        behind.write_bytes(old)
        with pytest.raises(Unavailable, match="from another authority than those that are trusted here"):
            Client([router.address], Account(router.realm, "alice", router.users["alice"]), ca=behind, deadline=5)

        replace(router.ca, new.certificate)
        assert router.call("app.demo.method1") == OK, "a client that trusts the new one only"
        assert (stays.call("app.demo.method1"), stays.router) == (OK, worker), "it never had to come back"
        assert instance.ask()["state"] == "ready"

        with router.caller("ops") as ops:
            for user in ("alice", "myserviceusername"):  # now both have to come back, and meet the new authority
                ops.call("wamp.session.kill_by_authid", user)
        ready_again(instance)
        assert stays.call("app.demo.method1", idempotent=True) == OK
    assert instance.end() == 0
