"""Looks over every login by password: counts what fails, asks for people who are not in the inventory, ends sessions.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands. It takes the place of Crossbar's own scram (crossbar/router/auth/scram.py), which tells a
stranger who exists, tells nobody what failed, and whose other sources of credentials shut out those of the
configuration. Users of the inventory stay in the configuration. Of others a program of the router's host is asked,
`ionman.users.answer`; while it does not answer they wait, and the inventory's users come and go as before.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from typing import Any, cast

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman
from autobahn.wamp.exception import ApplicationError, Error  # noqa: TID251
from autobahn.wamp.types import Deny  # noqa: TID251
from crossbar.router.auth import AUTHMETHOD_MAP
from crossbar.router.auth.scram import PendingAuthScram
from ionman_attempts import Attempts, place
from twisted.internet import defer, reactor  # noqa: TID251

ACCOUNT, PERSON, END = "ionman.router.account", "ionman.router.person", "ionman.router.end"
TOO_MANY, LATER = "ionman.error.too_many_failures", "ionman.error.users_unavailable"
FAILED = (
    "SCRAM authentication failed"  # to a wrong password and to a user who is not there: nobody is to tell them apart
)
ASKED = 5.0  # s until the program must have answered
MOST_ASKED = 100  # logins that wait for it at once
GRACE = 0.5  # s for the goodbye to get out
REMEMBERED = 100_000  # people and sessions
USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")  # ionman.routers.shape

ATTEMPTS = Attempts()
GATES: dict[str, "Gate"] = {}


class Scram(PendingAuthScram):
    """One login by password. `_config` is Crossbar's: the users of the inventory."""

    _config: dict[str, Any]
    _gate: Any = None
    _hopeless = False

    def hello(self, realm: str, details: Any) -> Any:
        """Begin: a challenge, also for who is not there."""
        extra = details.authextra
        if not USER.fullmatch(details.authid or "") or not _nonce((extra or {}).get("nonce")):
            return Deny(message="a login by password has a user and a nonce")
        self._address = place(str(self._session_details["transport"].get("peer")))
        self._user = details.authid
        if wait := ATTEMPTS.wait(self._address, self._user):
            return _too_many(wait)
        if self._user not in self._config.get("principals", {}):
            self._gate = GATES.get(realm)
            if self._gate is None:
                return Deny(ApplicationError.NO_SUCH_REALM, message=f'no realm "{realm}" exists on this router')
            self._config = {"type": "function"}
        return super().hello(realm, details)

    def authenticate(self, signature: str) -> Any:
        """End: the proof fits, or it counts as a failure."""
        if wait := ATTEMPTS.wait(self._address, self._user):
            return _too_many(wait)
        if self._gate is not None and self._gate.changed(self._user, self._revision):
            return Deny(message=FAILED)
        answer = super().authenticate(signature) if _proof(signature) else Deny(message=FAILED)
        if self._hopeless or isinstance(answer, Deny):
            ATTEMPTS.failed(self._address, self._user)
            if wait := ATTEMPTS.wait(self._address, self._user):
                words = "too many logins of {user} from {address} failed: the next is looked at in {wait:.0f} s"
                self.log.warn(words, user=self._user, address=self._address, wait=wait)
            return Deny(message=FAILED)
        ATTEMPTS.succeeded(self._address, self._user)
        if self._gate is not None:
            self._gate.entered(self._session_details["session"], self._revision)
        return answer

    def _init_function_authenticator(self) -> None:
        """Crossbar's hook: what is to be asked for the credential."""
        self._authenticator = lambda _realm, user, _details: defer.Deferred.fromCoroutine(self._look_up(user))

    async def _look_up(self, user: str) -> dict[str, Any]:
        account: dict[str, Any] | None = await self._gate.account(user)
        self._hopeless = account is None
        self._revision = 0 if account is None else account["revision"]
        return self._gate.nobody(user) if account is None else account


class Gate(ApplicationSession):
    """Crossbar's component for one realm.

    Of `extra`: `people`: whether the program is there to be asked; `taken`: the names that it has no say in;
    `roles`: those that people may have -> their names on this router; `secret` (hex), for answers to guessed names.
    Each change of a person has a higher number, its revision: sessions of a lower one are ended, and not begun.
    """

    async def onJoin(self, details: Any) -> None:  # noqa: N802 - Autobahn's name
        """Be there before the listener is: Crossbar opens it when every component has joined."""
        extra = self.config.extra
        self._people: bool = extra["people"]
        self._taken, self._roles = frozenset(extra["taken"]), dict(extra["roles"])
        self._secret = bytes.fromhex(extra["secret"])
        self._seen: OrderedDict[str, dict[str, Any]] = OrderedDict()  # user -> what the program said
        self._changes: OrderedDict[str, int] = OrderedDict()
        self._entered: OrderedDict[int, int] = OrderedDict()
        self._asked = 0
        GATES[details.realm] = self
        AUTHMETHOD_MAP["scram"] = Scram
        await self.register(self.person, PERSON)
        await self.register(self.end, END)

    async def account(self, user: str) -> dict[str, Any] | None:
        """The credential and role of `user` in the form of Crossbar's principals, None where there is no such user."""
        found = await self._ask(user)
        role = self._roles.get(found["person"]["role"]) if found else None
        if found is None or role is None:
            return None
        _remember(self._seen, user, found)
        return {**found["credential"], "role": role, "revision": found["revision"]}

    def changed(self, user: str, revision: int) -> bool:
        """Whether `user` is another one since `revision`."""
        return self._changes.get(user, 0) > revision

    def entered(self, session: int, revision: int) -> None:
        """Remember which revision of a person logged in."""
        _remember(self._entered, session, revision)

    def nobody(self, user: str) -> dict[str, Any]:
        """A credential that nothing opens, the same for a name each time."""
        salt, stored, server = (self._made(user, use) for use in ("salt", "stored", "server"))
        costs = self.config.extra["costs"]
        keys = {"salt": salt[:16].hex(), "stored-key": stored.hex(), "server-key": server.hex()}
        return {**costs, **keys, "role": self._authrole}

    def _made(self, user: str, use: str) -> bytes:
        return hmac.new(self._secret, f"{use}\0{self._realm}\0{user}".encode(), hashlib.sha256).digest()

    async def person(self, user: str) -> dict[str, Any]:
        """Who `user` is, for services: name, role and fields of one who is not in the inventory, else None."""
        if self._people and user not in self._taken and user not in self._seen and (found := await self._ask(user)):
            _remember(self._seen, user, found)
        return {"people": self._people, "person": self._seen[user]["person"] if user in self._seen else None}

    def end(self, users: dict[str, int]) -> int:
        """End the sessions from before these revisions of people who are not in the inventory; how many."""
        ended, router = 0, cast("Any", self._transport)._router  # crossbar/router/session.py, RouterApplicationSession
        for user, revision in users.items():
            if not self.changed(user, revision - 1):
                _remember(self._changes, user, revision)
                ATTEMPTS.forget(user)
            if user in self._seen and self._seen[user]["revision"] < revision:
                del self._seen[user]
            for session in list(router._authid_to_sessions.get(user, ())):
                old = self._entered.get(session._session_id, 0) < revision
                ended += session._authprovider == "function" and old and _end(session)
        return ended

    async def _ask(self, user: str) -> dict[str, Any] | None:
        """What the program knows of `user`."""
        if not self._people or user in self._taken:
            return None
        if self._asked >= MOST_ASKED:
            raise ApplicationError(LATER, "too many logins wait to be looked at; try again")
        self._asked += 1
        try:
            found: dict[str, Any] | None = await self.call(ACCOUNT, user).addTimeout(ASKED, reactor)
        except (Error, defer.TimeoutError, defer.CancelledError) as error:
            self.log.warn("the program ionman-users does not answer: {error}", error=error)
            raise ApplicationError(LATER, "users who are not in the inventory cannot be looked up; try again") from None
        finally:
            self._asked -= 1
        return found


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED:
        known.popitem(last=False)


def _end(session: Any) -> bool:
    """Hear nothing more of it, say goodbye, and close the connection, whether it is answered or not."""
    transport = session._transport
    if transport is None or session._goodbye_sent:
        return False
    session.leave("wamp.close.killed", "this user was changed; log in again")
    session.onMessage = lambda _message: None
    cast("Any", reactor).callLater(GRACE, lambda: session._transport is transport and transport.abort())
    return True


def _too_many(wait: float) -> Deny:
    return Deny(TOO_MANY, f"too many logins failed; the next is looked at in {wait:.0f} s")


def _nonce(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 256 and _decoded(text) is not None


def _proof(text: Any) -> bool:
    return isinstance(text, str) and len(_decoded(text) or b"") == hashlib.sha256().digest_size


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
