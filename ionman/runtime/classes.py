"""What a service's modules are written on: the two base classes, the decorators, and the user of a call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

Method = TypeVar("Method", bound=Callable[..., Any])
PROCEDURE = "__ionman_procedure__"
TOPIC = "__ionman_topic__"


@dataclass(frozen=True)
class User:
    """Who called or published, as the router authenticated them; `extra`: the fields of one who is kept in a database.

    A field is an attribute too: ``user.mail`` is ``user.extra["mail"]``.
    """

    name: str
    authid: str
    role: str
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __getattr__(self, name: str) -> Any:
        """A field by its name."""
        extra = self.__dict__.get("extra", {})
        if name not in extra:
            raise AttributeError(f"the user has no {name}; it has: {', '.join(extra) or 'no fields'}")
        return extra[name]


@dataclass(frozen=True)
class Details:
    """One call or event: its URI and, as far as the router discloses it, who it comes from (WAMP session and user).

    `progress` is None unless the caller asked for progressive results; then `details.progress(value)` sends one before
    the answer, and raises `ionman.errors.WampError` once the call is over. `key` is the same for one event of one
    publisher on every router; empty for calls, and where there is one router.
    """

    uri: str
    caller: int | None = None
    caller_authid: str | None = None
    caller_authrole: str | None = None
    progress: Callable[[Any], None] | None = field(default=None, repr=False, compare=False)
    key: str = ""
    person: Any = field(default=None, repr=False, compare=False)  # ionman.runtime.people; the method sees no question


class Link(Protocol):
    """What a module reaches the realm through; the runtime and the test double each have one."""

    def call(self, uri: str, argv: Any) -> "Deferred[Any]":
        """Call a procedure; fires with its JSON value, fails with `ionman.errors.WampError`."""

    def publish(self, topic: str, data: Any) -> "Deferred[None]":
        """Publish an event; fires when a router has it."""


def procedure(uri: str) -> Callable[[Method], Method]:
    """Give a method of a Registrations class a URI that its name cannot: ``@procedure("app.demo.get_all")``."""
    return _named(PROCEDURE, uri)


def topic(uri: str) -> Callable[[Method], Method]:
    """Give a method of a Subscriptions class a topic that its name cannot: ``@topic("app.demo.price_list")``."""
    return _named(TOPIC, uri)


def _named(attribute: str, uri: str) -> Callable[[Method], Method]:
    if not isinstance(uri, str):
        raise TypeError(f"the decorator needs the URI, as in @procedure('app.demo.get_all'), not {uri!r}")

    def mark(method: Method) -> Method:
        setattr(method, attribute, uri)
        return method

    return mark


class Module:
    """What both base classes have: the configuration and the way to the realm."""

    conf: Mapping[str, Any]
    extra: Link | None

    def __init__(self, conf: Mapping[str, Any] | None = None, extra: Link | None = None) -> None:
        self.conf = conf if conf is not None else {}
        self.extra = extra

    def getSession(self, details: Details) -> User | None:  # noqa: N802 - the contract's name
        """Return the authenticated user that a call or event comes from, None for an anonymous or undisclosed one."""
        if not details.caller_authid or not details.caller_authrole or details.caller_authrole == "anonymous":
            return None
        person = details.person or {"name": details.caller_authid, "role": details.caller_authrole}
        return User(person["name"], details.caller_authid, person["role"], person.get("extra") or {})

    def call(self, uri: str, argv: Any = None) -> "Deferred[Any]":
        """Call another procedure with one JSON value; await it. Fails with `ionman.errors.WampError`."""
        return self._link().call(uri, {} if argv is None else argv)

    def publish(self, topic: str, data: Any = None) -> "Deferred[None]":
        """Publish one JSON value to every subscriber of `topic`, this instance included."""
        return self._link().publish(topic, {} if data is None else data)

    def _link(self) -> Link:
        if self.extra is None:
            raise RuntimeError(f"{type(self).__name__} has no way to the realm: pass `extra` on to the base class")
        return self.extra


class RegistrationsClass(Module):
    """Base of a module's `Registrations`: its public methods are procedures, `method(self, argv, details)`."""

    def ok(self, result: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Answer that it went well: ``{"status": "OK", ...}``."""
        return {"status": "OK"} | dict(result or {}) | {"status": "OK"}

    def fail(self, message: str) -> dict[str, Any]:
        """Answer that it did not, and why: ``{"status": "FAIL", "message": ...}``."""
        return {"status": "FAIL", "message": str(message)}


class SubscriptionsClass(Module):
    """Base of a module's `Subscriptions`: its public methods are topics, `method(self, data, details)`."""
