"""The socket by which a host comes into its own router."""

from pathlib import Path

import pytest

from ionman.call import Account, Client
from ionman.errors import Refused, Unavailable
from tests.crossbar import Crossbar


def enter(router: Crossbar) -> Client:
    return Client([f"unix:{router.door}"], Account(router.realm), deadline=10)


def test_the_host_sees_who_is_there_and_calls_no_application(router: Crossbar) -> None:
    with enter(router) as host, router.caller("alice"):
        sessions = [host.call("wamp.session.get", one) for one in host.call("wamp.session.list")]
        assert ("anonymous", "host") in {(one["authmethod"], one["authrole"]) for one in sessions}
        assert "alice" in {one["authid"] for one in sessions}
        for uri in ("app.demo.method1", "com.example.other"):
            with pytest.raises(Refused, match="not_authorized"):
                host.call(uri)


def test_the_door_of_a_router_that_was_killed_opens_again(tmp_path: Path) -> None:
    router = Crossbar(tmp_path).start()
    try:
        router.kill()
        assert router.door.is_socket()
        with pytest.raises(Unavailable, match="nothing listens there"):
            enter(router)
        router.start()
        with enter(router) as host:
            assert host.call("wamp.session.count") >= 1
    finally:
        router.stop()


def test_nobody_is_anonymous_on_the_network(router: Crossbar) -> None:
    with pytest.raises(Refused, match="anonymous"):
        Client([router.address], Account(router.realm), ca=router.ca, deadline=10)
