"""Plain WAMP sessions of several users on one router, which ask for anything and say what the router made of it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from ionman.calls import message as wamp
from ionman.calls.login import Account
from ionman.calls.reach import Trust, parse
from ionman.calls.wamp import Session, join
from ionman.errors import Refused, Unavailable, WampError

LIMIT = 60.0  # s for what takes a moment
# The second for what is reserved; the third is Crossbar's of a taken procedure, also to who may not register it.
REFUSED = ("wamp.error.not_authorized", "wamp.error.invalid_uri", "wamp.error.procedure_already_exists")
BACK = {wamp.REGISTERED: wamp.UNREGISTER, wamp.SUBSCRIBED: wamp.UNSUBSCRIBE}


class Request(NamedTuple):
    """What is asked for: `match` counts for register and subscribe only."""

    action: str
    uri: str
    match: str = "exact"

    def body(self) -> wamp.Body:
        """The message."""
        match self.action:
            case "register":
                return wamp.body(wamp.REGISTER, {"match": self.match, "invoke": "roundrobin"}, self.uri)
            case "subscribe":
                return wamp.body(wamp.SUBSCRIBE, {"match": self.match}, self.uri)
            case "publish":
                return wamp.body(wamp.PUBLISH, {"acknowledge": True, "exclude_me": False}, self.uri)
            case _:
                return wamp.body(wamp.CALL, {}, self.uri)


class Answer(NamedTuple):
    """What came back: whether it was allowed, the number of a registration or subscription, a call's result."""

    allowed: bool
    kind: int = 0
    number: int = 0
    value: Any = None
    error: str = ""


class Sessions:
    """The sessions of users, by name; a loop of its own, which runs while something is asked."""

    def __init__(self, address: str, ca: Path | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._router, self._trusted = parse(address), Trust(ca)
        self.sessions: dict[str, Session] = {}
        self.events: dict[str, list[int]] = defaultdict(list)  # user -> the subscriptions that an event came by

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def join(self, user: str, account: Account) -> None:
        """Log in as `account`; the session is called `user`. Raises `Refused` or `Unavailable`."""
        session = self._run(join(self._router, self._trusted, account, LIMIT))
        session.heard = lambda session, message: self._heard(user, session, message)
        self.sessions[user] = session

    def ask(self, user: str, *requests: Request) -> list[Answer]:
        """Ask for all of them at once, and wait for all answers."""
        found: list[Answer] = self._run(self._ask(user, [request.body() for request in requests]))
        return found

    def give_back(self, user: str, *answers: Answer) -> None:
        """Take back what was registered and subscribed."""
        bodies = [wamp.body(BACK[one.kind], number) for number, one in {one.number: one for one in answers}.items()]
        assert all(answer.allowed for answer in self._run(self._ask(user, bodies)))

    def close(self) -> None:
        """Leave."""
        for session in self.sessions.values():
            self._run(session.leave(Unavailable("the test is over")))
        self._loop.close()

    def _run(self, what: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(what, LIMIT))

    async def _ask(self, user: str, bodies: Sequence[wamp.Body]) -> list[Answer]:
        session = self.sessions[user]
        waiting = []
        for body in bodies:
            future: asyncio.Future[Any] = self._loop.create_future()
            session.ask(body, future.set_result)
            waiting.append(future)
        return [understood(answer) for answer in await asyncio.gather(*waiting)]

    def _heard(self, user: str, session: Session, message: list[Any]) -> None:
        if message[0] == wamp.EVENT:
            self.events[user].append(message[1])
        else:
            session.tell(wamp.YIELD, message[1], {}, [user])


def understood(answer: Any) -> Answer:
    """The answer to a request. An error of a call that is no refusal says that the call was allowed."""
    if isinstance(answer, Refused):
        error = answer.message.partition(": ")[0]
        assert error in REFUSED, answer
        return Answer(False, error=error)
    if isinstance(answer, WampError):
        return Answer(answer.uri not in REFUSED, error=answer.uri)
    if isinstance(answer, Exception):
        raise answer
    value = wamp.value(answer[3:]) if answer[0] == wamp.RESULT else None
    return Answer(True, answer[0], answer[2] if answer[0] in BACK else 0, value)
