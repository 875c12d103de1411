"""Leaving a router that is about to go away (ionman.leaving): a session that stays until all is answered there.

On the loop's thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from ionman.calls import message as wamp
from ionman.calls.reach import Router
from ionman.calls.wamp import Session
from ionman.errors import IonmanError, Unavailable
from ionman.leaving import LEAVING, seconds

TURN = 0.05  # s between two looks whether all is answered


def listen(session: Session, leaving: Callable[[Session, float], None]) -> None:
    """Have `leaving` called with the seconds to keep away, each time that the router of `session` says so.

    One that does not let us hear it is one that never says it: nothing to tell anybody.
    """
    if session.router.path:
        return  # a host on its own router, which is the one that says it

    def subscribed(outcome: list[Any] | IonmanError) -> None:
        if not isinstance(outcome, IonmanError):
            session.aside[outcome[2]] = heard

    def heard(args: Sequence[Any]) -> None:
        leaving(session, seconds(args))

    session.ask(wamp.body(wamp.SUBSCRIBE, {}, LEAVING), subscribed)


class Absences:
    """Which routers are about to go or gone, and until when they are left alone."""

    def __init__(self) -> None:
        self._until: dict[Router, float] = {}

    def add(self, router: Router, away: float) -> None:
        """Leave `router` alone for `away` seconds from now."""
        self._until[router] = asyncio.get_running_loop().time() + away

    def here(self, routers: Sequence[Router]) -> list[Router]:
        """Those of `routers` that are not to be left alone."""
        return [router for router in routers if not self.left(router)]

    def left(self, router: Router) -> float:
        """Seconds for which `router` is still to be left alone."""
        return max(0.0, self._until.get(router, 0.0) - asyncio.get_running_loop().time())


async def retire(session: Session) -> None:
    """Leave when everything that was asked on `session` is answered, and everything that was asked of it."""
    while session.joined and not session.idle:
        await asyncio.sleep(TURN)
    if session.joined:
        await session.leave(Unavailable(f"{session.router} was left, for it is about to go away"))
