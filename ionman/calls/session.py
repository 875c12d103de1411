"""One WAMP session over a blocking WebSocket: join, call, leave (the WAMP specification, basic profile, in CBOR)."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Self

import cbor2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from ionman.calls.login import Account, login
from ionman.calls.reach import Router
from ionman.errors import InputError, IonmanError, Late, Refused, Unavailable, WampError

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
CALL, RESULT = 48, 50
URI = re.compile(r"([^\s.#]+\.)*[^\s.#]+")  # the loose rule: https://wamp-proto.org/wamp_latest_ietf.html#name-uris
MAX_SENT = 1 << 20  # octets: a router's max_message_size, unless it is configured
ROLES: dict[str, dict[str, Any]] = {"caller": {}, "callee": {}, "publisher": {}, "subscriber": {}}

# What Crossbar's ABORT and ERROR say when the secret, the user, the realm or the permission is wrong.
REFUSALS = {
    "wamp.error.authentication_failed": "look at the user and the password or key",
    "wamp.error.authentication_denied": "look at the user and the password or key",
    "wamp.error.authorization_failed": "look at the role of the user in the router's description",
    "wamp.error.no_auth_method": "the router does not take this user's kind of secret (password or key)",
    "wamp.error.no_matching_auth_method": "the router does not take this user's kind of secret (password or key)",
    "wamp.error.no_such_principal": "look at the user and the password or key",
    "wamp.error.no_such_realm": "look at the name of the realm",
    "wamp.error.no_such_role": "the user does not belong to this realm",
    "wamp.error.not_authorized": "the user's role may not do this: see its permissions in the router's description",
}


class Session:
    """A session on one router. Every wait ends at `deadline` (time.monotonic)."""

    def __init__(self, router: Router, websocket: ClientConnection, deadline: float, closing: ExitStack) -> None:
        self.router = router
        self.deadline = deadline
        self._websocket = websocket
        self._closing = closing
        self._request = 0
        self._largest = 0  # octets

    def join(self, account: Account) -> Self:
        """Log in; raises `Refused` when the router does not let this account in, and closes the connection then."""
        try:
            self._log_in(account)
        except BaseException:
            self._closing.close()
            raise
        return self

    def _log_in(self, account: Account) -> None:
        method = login(account)
        details = {"roles": ROLES, "authid": account.user, "authmethods": [method.method], "authextra": method.extra()}
        self.send([HELLO, account.realm, details])
        message = self.receive()
        if message[0] == CHALLENGE:
            self.send([AUTHENTICATE, method.answer(message[2]), {}])
            message = self.receive()
        if message[0] == ABORT:
            raise self._abort(account, message)
        if message[0] != WELCOME:
            raise Unavailable(
                f"{self.router} answered the login with WAMP message {message[0]}", remedy="is it a router?"
            )
        if not method.accept(message[2].get("authextra") or {}):
            remedy = "do not trust what answers there: it let you in without knowing your password"
            raise Refused(f"{self.router} could not prove that it knows {account.user}", remedy=remedy)

    def call(self, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Call `uri` and return its result: the one value, a list of several, None for none.

        Raises `Refused`, `WampError` (an error was the answer), `Late`, `Unavailable` (lost: it may have run),
        `InputError` for what a router would close the connection at.
        """
        if not URI.fullmatch(uri):
            raise InputError(f"{uri!r} is no URI of a procedure", remedy="write it as in app.demo.method1")
        self._request += 1
        parts: list[Any] = [list(args), kwargs] if kwargs else [list(args)] if args else []
        self.send([CALL, self._request, {}, uri, *parts])
        while True:
            message = self.receive(f"the call of {uri}")
            if message[0] == RESULT and message[1] == self._request:
                return value(message[3:])
            if message[0] == ERROR and message[1:3] == [CALL, self._request]:
                raise failure(message[4], message[5:])

    def leave(self) -> None:
        """Say goodbye as far as the connection still allows it, and close."""
        with suppress(ConnectionClosed, OSError):  # the other side may have left already
            self._websocket.send(cbor2.dumps([GOODBYE, {}, "wamp.close.close_realm"]))
        self._closing.close()

    def send(self, message: Sequence[Any]) -> None:
        """Send one WAMP message."""
        try:
            data = cbor2.dumps(message)
        except (cbor2.CBOREncodeError, UnicodeError) as error:
            raise InputError(f"the parameter cannot be sent: {error}", remedy="pass what JSON can hold") from error
        try:
            self._largest = max(self._largest, len(data))
            self._websocket.send(data)
        except (ConnectionClosed, OSError) as error:
            raise self._lost(error) from error

    def receive(self, during: str = "the login") -> list[Any]:
        """The next WAMP message; raises `Late` at the deadline, `Unavailable` when the connection ends."""
        try:
            data = self._websocket.recv(timeout=max(0.0, self.deadline - time.monotonic()))
            message = cbor2.loads(data if isinstance(data, bytes) else data.encode())
        except TimeoutError as error:
            remedy = "give it more time (--deadline), and look at the service's log"
            raise Late(f"{during} got no answer from {self.router} before the deadline", remedy=remedy) from error
        except (ConnectionClosed, OSError) as error:
            raise self._lost(error) from error
        except cbor2.CBORDecodeError as error:
            raise Unavailable(f"{self.router} sent what is no CBOR", remedy="is it a router?") from error
        if not isinstance(message, list) or not message:
            raise Unavailable(f"{self.router} sent what is no WAMP message", remedy="is it a router?")
        if message[0] == GOODBYE:
            raise Unavailable(f"{self.router} ended the session: {message[2]}", remedy="it is stopping: try again")
        return message

    def _lost(self, error: Exception) -> Unavailable:
        if self._largest > MAX_SENT:
            remedy = "send less, or raise max_message_size of the router"
            size = f"after a message of {self._largest} octets"
            return Unavailable(f"{self.router} closed the connection {size}; its limit is {MAX_SENT}", remedy=remedy)
        remedy = "what was asked may have been done or not: look before asking again"
        return Unavailable(f"the connection to {self.router} was lost ({error})", remedy=remedy)

    def _abort(self, account: Account, message: Sequence[Any]) -> IonmanError:
        details, reason = message[1], str(message[2])
        said = f"{self.router} does not let {account.user} into the realm {account.realm}: {reason}"
        if text := details.get("message"):
            said += f" ({text})"
        if reason == "wamp.error.not_authorized":  # Crossbar's word for a wrong secret, at this point
            reason = "wamp.error.authentication_failed"
        if reason in REFUSALS:
            return Refused(said, remedy=REFUSALS[reason])
        return Unavailable(said, remedy="look at the router's log")


def value(parts: Sequence[Any]) -> Any:
    """What a RESULT carries (`[args?, kwargs?]`), without the wrapping that one plain value does not need."""
    args = list(parts[0]) if parts else []
    if len(parts) > 1 and parts[1]:
        return {"args": args, "kwargs": parts[1]}
    return args if len(args) > 1 else args[0] if args else None


def failure(uri: str, parts: Sequence[Any]) -> IonmanError:
    """The exception for an ERROR of `uri` with `[args?, kwargs?]`."""
    args = parts[0] if parts else []
    text = " ".join(str(part) for part in args)
    if len(parts) > 1 and isinstance(parts[1], Mapping) and parts[1]:
        text = f"{text} {dict(parts[1])}".strip()
    if uri in REFUSALS:
        return Refused(f"{uri}: {text}", remedy=REFUSALS[uri])
    remedy = "no service has registered it: look at `ionman host status`" if uri.endswith("no_such_procedure") else ""
    return WampError(uri, text, remedy=remedy)
