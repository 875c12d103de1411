"""Before a router goes away: ask everybody on it to go elsewhere, and wait until nothing is in flight there.

Nobody outside a router can see calls in flight (Crossbar's meta API does not show them), but whoever serves them stays
until they are answered. So it is over when all who had registered something have left, and no caller leaves any more.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from ionman.calls.client import Client
from ionman.errors import WampError
from ionman.hosts.lock import Say
from ionman.leaving import LEAVING

OWN = "ionman.router."  # what the router's own host registers
TURN = 0.5  # s between two announcements
STILL = 2.0  # s for which nobody has left any more

Enter = Callable[[str], Client]  # a realm -> a client of the router's own host there


class Hall:
    """One realm of the router, and who serves there."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._uris: dict[int, str] = {}  # registration -> URI
        self._callees: set[int] = set()  # sessions that have registered something, also if they have taken it back
        self.present: frozenset[int] = frozenset()

    def tell(self, seconds: float) -> None:
        """Have everybody keep away for so long."""
        self._client.publish(LEAVING, {"seconds": seconds})

    def look(self) -> frozenset[int]:
        """The sessions that may still have calls in flight to them."""
        registrations = [one for kind in self._client.call("wamp.registration.list").values() for one in kind]
        found = self._ask("wamp.registration.get", [one for one in registrations if one not in self._uris])
        self._uris.update((number, said["uri"]) for number, said in found.items())
        others = [one for one in registrations if not self._uris.get(one, OWN).startswith(OWN)]
        for callees in self._ask("wamp.registration.list_callees", others).values():
            self._callees.update(callees or ())
        self.present = frozenset(self._client.call("wamp.session.list"))
        return self.present & self._callees

    def names(self, sessions: Iterable[int]) -> list[str]:
        """The users of `sessions`."""
        return sorted({str(said["authid"]) for said in self._ask("wamp.session.get", sessions).values()})

    def _ask(self, uri: str, numbers: Iterable[int]) -> dict[int, Any]:
        """Ask for each number at the same time; one that is gone meanwhile is left out."""
        asked = {number: self._client.submit(uri, number) for number in numbers}
        found = {}
        for number, reply in asked.items():
            try:
                found[number] = reply.result()
            except WampError:
                continue
        return found


def leave(enter: Enter, realms: Iterable[str], limit: float, away: float, say: Say) -> list[str]:
    """Have everybody leave the router for `away` s, and wait for it, at most `limit` s; the users who serve on.

    Raises `Unavailable` when the router does not answer its own host.
    """
    with ExitStack() as closing:
        halls = [Hall(closing.enter_context(enter(realm))) for realm in realms]
        began = changed = time.monotonic()
        there: frozenset[int] = frozenset()
        while True:
            for hall in halls:
                hall.tell(away)
            serving = [hall.look() for hall in halls]
            now = time.monotonic()
            before, there = there, frozenset[int]().union(*(hall.present for hall in halls))
            changed = now if there != before else changed
            if not any(serving) and now - changed >= STILL:
                say(f"router: nothing is in flight there any more, after {now - began:.1f} s")
                return []
            if now - began > limit:
                return sorted({name for hall, some in zip(halls, serving, strict=True) for name in hall.names(some)})
            time.sleep(TURN)
