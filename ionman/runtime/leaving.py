"""An instance leaves a router that is about to go away (ionman.leaving), without a lost call, and comes back later."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.task import deferLater

from ionman.errors import WampError
from ionman.leaving import LEAVING, seconds
from ionman.runtime.classes import Details
from ionman.runtime.offering import Offering
from ionman.runtime.session import RouterSession

CALLERS_FIRST = 1.0  # s in which callers go elsewhere, before nobody answers here any more


def listen(session: RouterSession, leaving: Callable[[float], None]) -> None:
    """Have `leaving` called with the seconds to keep away, each time that the router says so."""

    def take(args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
        del kwargs, details
        if away := seconds(args):
            leaving(away)
        return succeed(None)

    # A router that does not let us hear it never says it: one that was made before there was such a word.
    session.follow(LEAVING, take).addErrback(lambda failure: failure.trap(WampError))


async def depart(offering: Offering, work: "Deferred[Any]", clock: Any, limit: float) -> None:
    """Take back what `work` has offered, and leave when what is in flight is answered.

    A router that is slow gets `limit` s to take back each.
    """
    session = offering.session
    offering.stop()
    await DeferredList([work.addTimeout(limit, clock)], consumeErrors=True)
    await deferLater(clock, CALLERS_FIRST)
    offered, offering.offered = offering.offered, []
    waiting = [session.withdraw(one).addTimeout(limit, clock) for one in offered]
    await DeferredList(waiting, consumeErrors=True)
    await session.quiet()
    if session.is_attached():
        session.leave()
