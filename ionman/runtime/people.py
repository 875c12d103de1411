"""Who callers are beyond name and role: the fields of people who are not in the inventory (docs/users.md).

The router that a call or event came by is asked once for each session of a caller, before the method runs. A session
ends when its user is changed, so what was answered holds as long as it lasts. A router without such people says so, and
is not asked again.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from ionman.errors import WampError

PERSON = "ionman.router.person"  # ionman.routers.people
ASKED = 10.0  # s
REMEMBERED = 10_000  # sessions
# What a router answers that has no such procedure, or does not let this role ask.
WITHOUT = frozenset({"wamp.error.no_such_procedure", "wamp.error.not_authorized"})

Person = Mapping[str, Any]  # name, role, extra
Known = Person | None
Ask = Callable[[], "Deferred[Known]"]


class People:
    """What one router has told; `ask` calls a procedure there, with a deadline in seconds."""

    def __init__(self, ask: Callable[[str, float, str], "Deferred[Any]"]) -> None:
        self._ask = ask
        self._there = True
        self._known: OrderedDict[tuple[int, str], Known] = OrderedDict()
        self._asked: dict[tuple[int, str], list[Deferred[Known]]] = {}

    def of(self, session: int | None, user: str | None) -> Person | Ask | None:
        """The person who has this session, what will find out who it is, or None for nobody that is kept there."""
        if not self._there or session is None or user is None:
            return None
        key = (session, user)
        return self._known[key] if key in self._known else lambda: self._find(key)

    def _find(self, key: tuple[int, str]) -> "Deferred[Known]":
        """All who ask meanwhile get the same answer, in the order in which they asked."""
        if key in self._known or not self._there:
            return succeed(self._known.get(key))
        waiting: Deferred[Known] = Deferred(lambda one: self._asked.get(key, [one]).remove(one))
        first = key not in self._asked
        self._asked.setdefault(key, []).append(waiting)
        if first:
            self._ask(PERSON, ASKED, key[1]).addCallbacks(self._take, _without).addBoth(self._tell, key)
        return waiting

    def _take(self, answer: Any) -> Known:
        self._there = bool(answer["people"])
        return answer["person"] if self._there else None

    def _tell(self, found: Any, key: tuple[int, str]) -> None:
        if found is NOBODY:
            self._there, found = False, None
        if not isinstance(found, Failure):
            self._known[key] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        for waiting in self._asked.pop(key):
            waiting.callback(found)


NOBODY: Any = object()


def _without(failure: Failure) -> Any:
    if isinstance(failure.value, WampError) and failure.value.uri in WITHOUT:
        return NOBODY
    return failure
