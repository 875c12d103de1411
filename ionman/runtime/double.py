"""The realm without a router that `ionman.testing` shows: calls go to the service's own methods or to stubs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from ionman.errors import Late, WampError
from ionman.runtime import load, values
from ionman.runtime.classes import Details, User
from ionman.runtime.dispatch import NO_SUCH, Dispatch
from ionman.runtime.modules import Bound, bind
from ionman.runtime.stats import Stats

reactor: Any = _reactor


@dataclass(frozen=True)
class Published:
    """One event that the service published."""

    topic: str
    data: Any


class Service:
    """A service's file, loaded; `published` are the events it has published, oldest first.

    `conf` is laid over a plain configuration and is what modules see as `self.conf`; `stubs` are procedures of others
    that it calls: URI -> function of the JSON value. `call_timeout` is in seconds.
    """

    def __init__(
        self,
        file: str | Path,
        *,
        conf: Mapping[str, Any] | None = None,
        stubs: Mapping[str, Callable[[Any], Any]] | None = None,
        call_timeout: float = 5.0,
    ) -> None:
        self.published: list[Published] = []
        self.stubs = dict(stubs or {})
        self._user = User("service", "service", "service")
        settings = {"service": "service", "user": self._user.name, "realm": "test", "title": "test", "debug": False}
        found = load.application(Path(file)).catalogue()
        procedures, topics = bind(found, settings | dict(conf or {}), _Link(self))
        self._procedures = {bound.uri: bound for bound in procedures}
        self._topics = {bound.uri: bound for bound in topics}
        self._dispatch = Dispatch(Stats.of(self._procedures), call_timeout, reactor, Logger(namespace="ionman"))

    @property
    def procedures(self) -> list[str]:
        """The URIs that the service registers."""
        return sorted(self._procedures)

    @property
    def topics(self) -> list[str]:
        """The topics that the service subscribes to."""
        return sorted(self._topics)

    def call(
        self,
        uri: str,
        argv: Any = None,
        *,
        user: User | str | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> Any:
        """Call a method as `user` (None: nobody that the router knows) and return its answer; raises `WampError`.

        `progress` takes each progressive result, as from a caller that asks for them.
        """
        return _result(self._call(uri, {} if argv is None else argv, _user(user), progress))

    def event(self, topic: str, data: Any = None, *, user: User | str | None = None) -> None:
        """Hand the service an event, published by `user`."""
        bound = self._known(self._topics, topic, "wamp.error.no_such_subscription")
        _result(self._dispatch.event(bound, ({} if data is None else data,), {}, _details(topic, _user(user))))

    def _call(
        self, uri: str, argv: Any, user: User | None, progress: Callable[[Any], None] | None = None
    ) -> "Deferred[Any]":
        bound = self._known(self._procedures, uri, NO_SUCH)
        return self._dispatch.call(bound, (argv,), {}, replace(_details(uri, user), progress=progress))

    def _known(self, table: Mapping[str, Bound], uri: str, error: str) -> Bound:
        if uri not in table:
            raise WampError(error, f"the service has no {uri}; it has {', '.join(sorted(table)) or 'none'}")
        return table[uri]

    def called(self, uri: str, argv: Any) -> "Deferred[Any]":
        """Answer a call that the service itself makes."""
        if wrong := values.problem(argv, "argument"):
            raise WampError("wamp.error.invalid_argument", f"{uri}: {wrong}")
        if uri in self.stubs:
            return maybeDeferred(self.stubs[uri], argv)
        return self._call(uri, argv, self._user)

    def told(self, topic: str, data: Any) -> "Deferred[None]":
        """Take an event that the service itself publishes; its own subscriptions hear it, as they do on a router."""
        if wrong := values.problem(data, "data"):
            raise WampError("wamp.error.invalid_argument", f"{topic}: {wrong}")
        self.published.append(Published(topic, data))
        if topic not in self._topics:
            return succeed(None)
        return self._dispatch.event(self._topics[topic], (data,), {}, _details(topic, self._user))


class _Link:
    """What modules get as `extra`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def call(self, uri: str, argv: Any) -> "Deferred[Any]":
        return maybeDeferred(self._service.called, uri, argv)

    def publish(self, topic: str, data: Any) -> "Deferred[None]":
        return maybeDeferred(self._service.told, topic, data)


def _user(user: User | str | None) -> User | None:
    return User(user, user, "client") if isinstance(user, str) else user


def _details(uri: str, user: User | None) -> Details:
    if user is None:
        return Details(uri)
    person = {"name": user.name, "role": user.role, "extra": dict(user.extra)}
    return Details(uri, 1, user.authid, user.role, person=person)


def _result(work: "Deferred[Any]") -> Any:
    """Wait for `work`, turning the reactor over by hand while it is not done: no test runner of Twisted's is needed."""
    outcome: list[Any] = []
    work.addBoth(outcome.append)
    deadline = reactor.seconds() + 3600
    while not outcome:
        reactor.runUntilCurrent()
        if not outcome:
            reactor.doIteration(min(reactor.timeout() or 0.01, 0.05))
        if reactor.seconds() > deadline:
            raise Late("the call did not end")
    reactor.runUntilCurrent()  # what was put off until the answer was out
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]
