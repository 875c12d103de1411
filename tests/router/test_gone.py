"""Peers that go silent together, callers and whom they call: the router forgets all of them."""

import time
from contextlib import ExitStack

from ionman.call import Account, Client
from tests.call.loops import until
from tests.call.relay import Relay
from tests.crossbar import Crossbar

PEERS = 8  # of each kind: Autobahn's timers end in turns of 0.2 s, so that some of them end together
URI = "app.t.gone"


def test_callees_that_go_with_their_callers_are_not_called_any_more(router: Crossbar) -> None:
    with Relay(router.port) as relay, ExitStack() as closing:

        def connect(user: str) -> Client:
            account = Account("ionman", user, router.users[user])
            return closing.enter_context(Client([relay.address], account, ca=router.ca, deadline=60))

        callees = [connect("myserviceusername") for _ in range(PEERS)]
        callers = [connect("alice") for _ in range(PEERS)]
        for callee in callees:
            callee.register(URI, lambda: time.sleep(30), "roundrobin")
        calls = [caller.submit(URI) for caller in callers for _ in callees]
        time.sleep(1.0)
        relay.freeze()
        until(lambda: URI not in router.registrations())
        relay.cut()
        relay.thaw()
        assert not any(call.done() and not call.exception() for call in calls)
