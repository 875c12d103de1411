"""WAMP messages: their numbers, how a request is written, what an answer means (the WAMP specification, in CBOR)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cbor2

from ionman.errors import InputError, IonmanError, Refused, Unavailable, WampError

HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR = 1, 2, 3, 4, 5, 6, 8
PUBLISH, PUBLISHED, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT = 16, 17, 32, 33, 34, 35, 36
CALL, RESULT, REGISTER, REGISTERED, UNREGISTER, UNREGISTERED, INVOCATION, YIELD = 48, 50, 64, 65, 66, 67, 68, 70
ANSWERS = frozenset({PUBLISHED, SUBSCRIBED, UNSUBSCRIBED, RESULT, REGISTERED, UNREGISTERED})  # [kind, request, ...]

URI = re.compile(r"([^\s.#]+\.)*[^\s.#]+")  # the loose rule: https://wamp-proto.org/wamp_latest_ietf.html#name-uris
MAX_SENT = 1 << 20  # octets: a router's max_message_size, unless it is configured
ENVELOPE = 64  # octets, at most, that a request's number and the frame's head add

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


@dataclass(frozen=True, slots=True)
class Body:
    """A request without its number, which is the session's: it can be sent again on another one as it is."""

    kind: int
    head: bytes  # the array's head and the kind
    rest: bytes  # what follows the number

    def numbered(self, number: int) -> bytes:
        """The whole message."""
        return self.head + cbor2.dumps(number) + self.rest


def body(kind: int, *parts: Any, largest: int = MAX_SENT) -> Body:
    """The request `[kind, number, *parts]` but for its number; `InputError` when it cannot be sent to a router.

    `largest` is in octets: what is longer would make the router close the connection, with all that is in flight on it.
    """
    rest = encode(*parts)
    if len(rest) + ENVELOPE > largest:
        remedy = "send less, or raise max_message_size of the router, and `largest` of the client with it"
        raise InputError(f"the parameter is {len(rest)} octets; the router takes {largest} a message", remedy=remedy)
    return Body(kind, bytes([0x82 + len(parts)]) + cbor2.dumps(kind), rest)


def encode(*parts: Any) -> bytes:
    """The parts, one after the other; raises `InputError` for what CBOR has no form for."""
    try:
        return b"".join(map(cbor2.dumps, parts))
    except (cbor2.CBOREncodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"the parameter cannot be sent: {error}", remedy="pass what JSON can hold") from error


def check(uri: str, what: str = "procedure") -> None:
    """Raise `InputError` for what a router would close the connection at."""
    if not URI.fullmatch(uri):
        raise InputError(f"{uri!r} is no URI of a {what}", remedy="write it as in app.demo.method1")


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


def aborted(router: object, user: str, realm: str, message: Sequence[Any]) -> IonmanError:
    """The exception for the ABORT that `router` answered a login with."""
    details, reason = message[1], str(message[2])
    said = f"{router} does not let {user} into the realm {realm}: {reason}"
    if text := details.get("message"):
        said += f" ({text})"
    if reason == "wamp.error.not_authorized":  # Crossbar's word for a wrong secret, at this point
        reason = "wamp.error.authentication_failed"
    if reason in REFUSALS:
        return Refused(said, remedy=REFUSALS[reason])
    return Unavailable(said, remedy="look at the router's log")
