"""Which routers a client is joined to: its home, and others for what nobody takes there. On the loop's thread."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence

from ionman.calls import farewell, rules
from ionman.calls.link import Link
from ionman.calls.login import Account
from ionman.calls.opening import Broken, Silent
from ionman.calls.reach import Router, Trust
from ionman.calls.wamp import Session, join
from ionman.errors import IonmanError, Refused, Unavailable

STEADY = 2.0  # s: a session that lasted longer was a good one, and its loss is no reason to pause
MOST_UNSTEADY = 3  # rounds of pause that a router costs which lets us in and throws us out
AWAY = 5.0  # s for which a router that could not be visited is left alone
ATTEMPT = 15.0  # s for one router


class Joining:
    """Keeps `home`, a session on one of `routers`; `changed` is called when one is joined, `lost` when one ends."""

    def __init__(
        self,
        routers: Sequence[Router],
        account: Account,
        trusted: Trust,
        changed: Callable[[], None],
        lost: Callable[[Session, Unavailable], None],
    ) -> None:
        self.routers = routers
        self.home: Session | None = None
        self.trouble: IonmanError = Unavailable("no router has been asked yet")
        self._account = account
        self._trusted = trusted
        self._changed, self._lost = changed, lost
        self._others: dict[Router, Session] = {}
        self._asked: dict[Router, asyncio.Task[None]] = {}
        self._down: dict[Router, float] = {}  # until when it need not be visited again
        self._absent = farewell.Absences()
        self._fled: Router | None = None  # the one that home was on when it was last about to go
        self._moving: dict[Session, asyncio.Task[None]] = {}  # on routers that are about to go
        self._links: set[Link] = set()  # those whose connection is not closed yet
        self._away = asyncio.Event()
        self._turn = 0

    def session(self, without: Iterable[Router] = ()) -> Session | None:
        """A session to ask on, at home if possible, but not on one of `without`."""
        known = [self.home, *self._others.values()] if self._others else [self.home]
        return next((one for one in known if one and one.joined and one.router not in without), None)

    def sessions(self) -> list[Session]:
        """All that are joined."""
        return [one for one in (self.home, *self._others.values()) if one]

    async def first(self, seconds: float) -> None:
        """Join one router; raises what each said when none lets us in, or `Unavailable` when the time has passed.

        One that does not answer is tried again while there is time; a refusal, of whatever kind, is believed.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while True:
            failures: list[IonmanError] = []
            for number, router in enumerate(self.routers):
                left = max(0.0, ends - loop.time())
                try:
                    self._settle(await self._join(router, left / (len(self.routers) - number)))
                except (Unavailable, Refused) as error:
                    failures.append(error)
                else:
                    return
            self.trouble = together(failures)
            if not any(isinstance(one, Silent | Broken) for one in failures) or ends - loop.time() < 0.5:
                raise self.trouble
            await asyncio.sleep(0.1)

    async def keep(self) -> None:
        """Come back whenever home is lost, for ever."""
        loop = asyncio.get_running_loop()
        rounds = 0
        while True:
            since = loop.time()
            await self._away.wait()
            self._away.clear()
            rounds = 0 if loop.time() - since > STEADY else min(rounds + 1, MOST_UNSTEADY)
            while self.home is None:
                pause = rules.round_pause(rounds) * random.uniform(0.5, 1.0)  # noqa: S311
                if not self._in_turn() and self._fled:
                    pause = max(pause, self._absent.left(self._fled))
                await asyncio.sleep(pause)
                await self._round()
                rounds += 1

    def seek(self, without: Iterable[Router]) -> bool:
        """Whether a router that is not one of `without` may yet be joined; `changed` tells when it is, or is not."""
        if self.home is None:
            return True  # somebody is at it
        now = asyncio.get_running_loop().time()
        for router in self.routers:
            if router in without or router == self.home.router or self._down.get(router, 0.0) > now:
                continue
            if self._absent.left(router):
                continue
            if router not in self._asked:
                self._asked[router] = asyncio.ensure_future(self._visit(router))
            return True
        return False

    async def leave(self, why: Unavailable) -> None:
        """Leave all."""
        going = [*self._asked.values(), *self._moving.values()]
        for task in going:
            task.cancel()
        there = [*self.sessions(), *(one for one in self._moving if one is not self.home)]
        await asyncio.gather(*(session.leave(why) for session in there if session.joined))
        await asyncio.gather(*going, return_exceptions=True)
        for link in self._links:  # one that still waits for its router's half of the end
            link.abort()

    # --- inside -------------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        """Each router once, beginning after the one that was home last."""
        if self._others:  # one is joined already
            self._settle(self._others.pop(next(iter(self._others))))
            return
        failures: list[IonmanError] = []
        for router in self._in_turn():
            try:
                self._settle(await self._join(router, ATTEMPT))
            except (Unavailable, Refused) as error:
                failures.append(error)
            else:
                return
        if failures:
            self.trouble = together(failures)

    def _in_turn(self) -> list[Router]:
        """The routers, from the one after the last home on; last those that may be away, without the one fled."""
        turned = [*self.routers[self._turn :], *self.routers[: self._turn]]
        here = self._absent.here(turned)
        return [*here, *(router for router in turned if router not in here and router != self._fled)]

    async def _join(self, router: Router, limit: float) -> Session:
        session = await join(router, self._trusted, self._account, limit)
        self._links.add(session.link)
        session.link.closed.add_done_callback(lambda _: self._links.discard(session.link))
        session.ended = self._over
        farewell.listen(session, self._leaving)
        return session

    def _settle(self, session: Session, instead: Session | None = None) -> None:
        """Have `session` as home, `instead` of that one or of none; one too many is left again."""
        if self.home not in (None, instead):
            self._moving[session] = asyncio.ensure_future(self._move(session))
            return
        self.home = session
        self._turn = self.routers.index(session.router) + 1
        self._changed()

    async def _visit(self, router: Router) -> None:
        try:
            self._others[router] = await self._join(router, ATTEMPT)
        except (Unavailable, Refused) as error:
            self.trouble = error
            self._down[router] = asyncio.get_running_loop().time() + AWAY
        finally:
            del self._asked[router]
        self._changed()

    def _leaving(self, session: Session, away: float) -> None:
        """The router of `session` is about to go: it is left alone for `away` seconds."""
        self._absent.add(session.router, away)
        if away and session.joined and session not in self._moving:
            self._moving[session] = asyncio.ensure_future(self._move(session))

    async def _move(self, session: Session) -> None:
        """Have another home, send nothing new on `session`, and leave it when all is answered there."""
        if session is self.home:
            self._fled = session.router
            await self._replace(session)
        elif self._others.get(session.router) is session:
            del self._others[session.router]
        await farewell.retire(session)
        self._moving.pop(session, None)

    async def _replace(self, session: Session) -> None:
        """Another home than `session`. Where there is none, what is asked from now on waits for one."""
        for router in self._in_turn():
            try:
                other = self._others.pop(router, None) or await self._join(router, ATTEMPT)
            except (Unavailable, Refused) as error:
                self.trouble = error
                continue
            self._settle(other, instead=session)
            return
        if self.home is session:
            self.home = None
            self._away.set()
            self._changed()

    def _over(self, session: Session, why: Unavailable) -> None:
        if session in self._moving and session is not self.home:  # as it should be
            return
        self.trouble = why
        if session is self.home:
            self.home = None
            self._away.set()
        elif self._others.get(session.router) is session:
            del self._others[session.router]
        self._lost(session, why)


def together(failures: Sequence[IonmanError]) -> IonmanError:
    """One error for all routers: a refusal first; what each said when none was reached."""
    for error in failures:
        if isinstance(error, Refused):
            return error
    if len(failures) == 1:
        return failures[0]
    said = "".join(f"\n  {error.message}" for error in failures)
    return Unavailable(f"no router can be reached:{said}", remedy=failures[-1].remedy)
