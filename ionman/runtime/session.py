"""One WAMP session on one router: logs in, offers and withdraws what it is told to, calls and publishes.

The boundary to Autobahn's session: nothing else of the runtime knows its types.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError, Error, SerializationError, TransportLost
from autobahn.wamp.types import (
    CallDetails,
    CallOptions,
    CallResult,
    Challenge,
    CloseDetails,
    ComponentConfig,
    EventDetails,
    PublishOptions,
    RegisterOptions,
    SubscribeOptions,
)
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ionman.calls.login import Account, login
from ionman.errors import WampError
from ionman.runtime.classes import Details
from ionman.runtime.people import People
from ionman.settings import Settings

Answer = Callable[[tuple[Any, ...], dict[str, Any], Details], "Deferred[Any]"]
LOST = "wamp.close.transport_lost"
WELCOME_SECONDS = 20.0  # from HELLO to WELCOME; argon2id and a busy router included


class Owner(Protocol):
    """Who is told what becomes of a session."""

    settings: Settings

    def joined(self, session: "RouterSession") -> None:
        """The router has let us in."""

    def left(self, session: "RouterSession", reason: str, message: str) -> None:
        """The session was refused, closed or lost."""


def wamp_error(failure: Failure) -> WampError:
    """Return what a call, registration or publication failed with as our own error."""
    error = failure.value
    if isinstance(error, WampError):
        return error
    if isinstance(error, ApplicationError):
        return WampError(error.error, " ".join(str(part) for part in error.args))
    if isinstance(error, TransportLost):
        return WampError(LOST, "the connection to the router was lost")
    if isinstance(error, SerializationError):
        return WampError("wamp.error.invalid_payload", "the value cannot be sent as CBOR")
    if isinstance(error, Error):
        return WampError("wamp.error.runtime_error", str(error))
    failure.raiseException()
    raise AssertionError("not reached")


class RouterSession(ApplicationSession):
    """The session that Autobahn makes for each connection."""

    def __init__(self, owner: Owner, clock: Any) -> None:
        super().__init__(ComponentConfig(owner.settings.realm))
        self.log = Logger(namespace="autobahn")  # what it tells of itself is worded by the connection
        self._owner = owner
        self._clock = clock
        self._welcome: Any = None
        self._refused = ("", "")
        self._serving = 0  # calls that came by this router and are not answered
        self._waiting: list[Deferred[None]] = []  # until there are none
        settings = owner.settings
        self._people = People(self.ask)
        self._login = login(Account(settings.realm, settings.user, settings.password, settings.key))

    # --- what Autobahn calls ------------------------------------------------------------------------------------

    def onConnect(self) -> None:  # noqa: N802
        """Say who we are."""
        self._welcome = self._clock.callLater(WELCOME_SECONDS, self.drop)
        settings = self._owner.settings
        self.join(settings.realm, [self._login.method], settings.user, authextra=self._login.extra())

    def onChallenge(self, challenge: Challenge) -> Any:  # noqa: N802
        """Prove it; a router that asks for another proof than was offered is refused."""
        if challenge.method != self._login.method:
            raise ApplicationError(
                "wamp.error.no_matching_auth_method",
                f"the router wants {challenge.method}, the configuration has what {self._login.method} needs",
            )
        return self._login.answer(challenge.extra or {})

    def onWelcome(self, welcome: Any) -> str | None:  # noqa: N802
        """Check that the router knows the password too (scram); a text refuses it."""
        self._stop_waiting()
        if self._login.accept(welcome.authextra or {}):
            return None
        self._refused = ("wamp.error.cannot_authenticate", "the router does not know the password itself")
        return self._refused[1]

    def onJoin(self, details: Any) -> None:  # noqa: N802
        """Pass on that we are in."""
        del details
        self._owner.joined(self)

    def onLeave(self, details: CloseDetails) -> Any:  # noqa: N802
        """Pass on why it ended, fail what is outstanding, close the connection."""
        self._stop_waiting()
        self._owner.left(self, details.reason or "", details.message or "")
        return super().onLeave(details)

    def onDisconnect(self) -> None:  # noqa: N802
        """Pass on that it ended, for a session that was never in."""
        self._stop_waiting()
        super().onDisconnect()
        self._owner.left(self, *(self._refused if self._refused[0] else (LOST, "")))

    def onUserError(self, fail: Failure, msg: str) -> None:  # noqa: N802
        """Log nothing here: methods' failures are logged by the dispatch, with their place."""

    # --- what the runtime calls ---------------------------------------------------------------------------------

    def offer(self, uri: str, answer: Answer, policy: str) -> "Deferred[Any]":
        """Register a procedure; fires with what `withdraw` takes, fails with `WampError`."""

        def endpoint(*args: Any, details: CallDetails, **kwargs: Any) -> "Deferred[Any]":
            person = self._people.of(details.caller, details.caller_authid)
            told = replace(_call_details(uri, details), progress=self._progress(details.progress), person=person)
            self._serving += 1
            return maybeDeferred(answer, args, kwargs, told).addBoth(self._served).addErrback(_application_error)

        done = maybeDeferred(self.register, endpoint, uri, RegisterOptions(invoke=policy, details_arg="details"))
        return done.addErrback(_raise_ours)

    def follow(self, topic: str, take: Answer) -> "Deferred[Any]":
        """Subscribe to a topic; fires with what `withdraw` takes, fails with `WampError`."""

        def handler(*args: Any, details: EventDetails, **kwargs: Any) -> "Deferred[Any]":
            person = self._people.of(details.publisher, details.publisher_authid)
            return take(args, kwargs, replace(_event_details(topic, details), person=person))

        done = maybeDeferred(self.subscribe, handler, topic, SubscribeOptions(details_arg="details"))
        return done.addErrback(_raise_ours)

    def withdraw(self, offered: Any) -> "Deferred[Any]":
        """Take back what `offer` or `follow` fired with."""
        method = offered.unregister if hasattr(offered, "unregister") else offered.unsubscribe
        return maybeDeferred(method).addErrback(_raise_ours)

    def ask(self, uri: str, seconds: float, *args: Any) -> "Deferred[Any]":
        """Call a procedure with a deadline; fires with its JSON value, fails with `WampError`."""
        called = maybeDeferred(self.call, uri, *args, options=CallOptions())
        called.addTimeout(seconds, self._clock, lambda result, _: _late(result, uri, seconds))
        return called.addCallbacks(_plain, _raise_ours)

    def tell(self, topic: str, data: Any, key: str = "") -> "Deferred[Any]":
        """Publish an event to all, ourselves included; fires when the router has it.

        One `key` is one event, on however many routers it is published.
        """
        options = PublishOptions(acknowledge=True, exclude_me=False, transaction_hash=key or None)
        return maybeDeferred(self.publish, topic, data, options=options).addErrback(_raise_ours)

    def quiet(self) -> "Deferred[None]":
        """Fire when every call that came by this router is answered."""
        done: Deferred[None] = Deferred()
        self._waiting.append(done)
        self._tell_quiet()
        return done

    def drop(self) -> None:
        """Close the connection without a word."""
        if self._transport is not None and self._transport.isOpen():
            self._transport.abort()

    def _served(self, result: Any) -> Any:
        self._serving -= 1
        self._clock.callLater(0, self._tell_quiet)  # the answer goes out first
        return result

    def _tell_quiet(self) -> None:
        if not self._serving:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)

    def _progress(self, send: Callable[[Any], None] | None) -> Callable[[Any], None] | None:
        """Autobahn's way to send a progressive result, if the caller wants them; it does not look for a connection."""
        if send is None:
            return None

        def checked(value: Any) -> None:
            if self._transport is None:
                raise WampError(LOST, "the connection to the router was lost")
            send(value)

        return checked

    def _stop_waiting(self) -> None:
        if self._welcome is not None and self._welcome.active():
            self._welcome.cancel()


def _plain(result: Any) -> Any:
    return list(result.results) if isinstance(result, CallResult) else result


def _late(result: Any, uri: str, seconds: float) -> Any:
    del result
    return Failure(WampError("ionman.error.timeout", f"{uri} was not answered within {seconds:g} s"))


def _raise_ours(failure: Failure) -> Any:
    raise wamp_error(failure)


def _application_error(failure: Failure) -> Any:
    error = wamp_error(failure)
    raise ApplicationError(error.uri, error.message.removeprefix(f"{error.uri}: "))


def _call_details(uri: str, details: CallDetails) -> Details:
    return Details(uri, details.caller, details.caller_authid, details.caller_authrole)


def _event_details(topic: str, details: EventDetails) -> Details:
    who = (details.publisher, details.publisher_authid, details.publisher_authrole)
    return Details(topic, *who, key=details.transaction_hash or "")
