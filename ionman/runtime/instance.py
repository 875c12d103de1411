"""One running instance: the Twisted service that holds its connections, answers its contract, and drains."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from ionman.errors import IonmanError
from ionman.naming import Instance
from ionman.runtime import verify
from ionman.runtime.alarm import left
from ionman.runtime.classes import Details
from ionman.runtime.connection import Connection, Hooks
from ionman.runtime.contract import Contract
from ionman.runtime.dispatch import Dispatch
from ionman.runtime.door import Door, Questions
from ionman.runtime.lifecycle import State, overall
from ionman.runtime.modules import Bound, Catalogue, bind
from ionman.runtime.offering import Offers
from ionman.runtime.others import others
from ionman.runtime.place import Release
from ionman.runtime.realm import Realm
from ionman.runtime.session import Answer
from ionman.runtime.stats import Stats
from ionman.runtime.through import through
from ionman.settings import Settings

log = Logger(namespace="ionman")


class Process(Protocol):
    """The process that an instance runs in: its reactor, its environment, and who is told of it."""

    clock: Any
    environ: Mapping[str, str]

    def told(self, state: State, message: str) -> None:
        """The instance may have come to another state, or has another message."""

    def end(self, error: IonmanError) -> None:
        """The start cannot succeed; called once."""

    def gone(self) -> None:
        """The instance has left every router."""


class InstanceService(Service):
    """The instance `name` of a service."""

    def __init__(
        self,
        settings: Settings,
        who: Instance,
        release: Release,
        found: Catalogue,
        process: Process,
    ) -> None:
        self.settings = settings
        self.who = who
        self.name = who.name
        self._release = release
        self._clock = process.clock
        self._process = process
        self._since = datetime.now(UTC)
        self._message = ""
        self._state = State.CONNECTING
        self._port: Any = None
        self._drained: Deferred[None] | None = None
        self.connections: list[Connection] = []
        most = settings.max_message_size
        self.realm = Realm(self.connections, settings.call_timeout, several=len(settings.routers) > 1, most=most)
        self._procedures, self._topics = bind(found, settings.public(), self.realm)
        uris = [bound.uri for bound in self._procedures]
        self._questions: Questions = {
            "others": lambda: others(self.connections, uris),
            "through": lambda: through(self.connections, who.probe),
        }
        self.realm.own = dict.fromkeys(uris, who.uri("call"))
        self._stats = Stats.of([*uris, who.probe])
        self._dispatch = Dispatch(self._stats, settings.call_timeout, process.clock, log, most)
        offers = self._offers(verify.checks(process.environ, uris))
        hooks = Hooks(process.clock, self._changed, self._fatal, self._ready_elsewhere)
        self.connections.extend(Connection(router, settings, offers, hooks) for router in settings.routers)

    # --- the Twisted service ------------------------------------------------------------------------------------

    def startService(self) -> None:  # noqa: N802
        """Connect to every router."""
        super().startService()
        routers = ", ".join(str(router) for router in self.settings.routers)
        log.info("{title} starts; connecting to {routers}", title=self.settings.title, routers=routers)
        for connection in self.connections:
            connection.start()

    def stopService(self) -> "Deferred[None]":  # noqa: N802
        """Drain: withdraw everywhere, finish what is in flight, leave. Fires when gone; asked twice, it hurries."""
        if self.running:
            super().stopService()
            self._drained = Deferred.fromCoroutine(self._drain())
        elif self._drained is not None:
            self.hurry("it was told twice to stop")
        return self._drained or succeed(None)

    def listen(self, path: str) -> None:
        """Answer on the control socket at `path`."""
        self._port = self._clock.listenUNIX(path, Door(self.document, self._questions, self._clock), mode=0o600)

    def hurry(self, why: str) -> None:
        """End what is in flight now, and let nothing out that it does afterwards."""
        self.seal(why)
        if count := self._dispatch.give_up(f"the instance stops and {why}"):
            log.warn("{count} in flight were cancelled: {why}", count=count, why=why)

    def seal(self, why: str = "its time to finish has passed") -> None:
        """Let no call and no event of a module out any more."""
        self.realm.close(f"the instance stops and {why}")

    async def _drain(self) -> None:
        log.info("draining: {count} in flight", count=self._stats.in_flight)
        limit = self.settings.drain_timeout
        # From the signal on, withdrawing included: the supervisor counts from there too.
        late = self._clock.callLater(left(limit), self.hurry, f"the {limit:g} s to finish have passed")
        await DeferredList([Deferred.fromCoroutine(one.withdraw()) for one in self.connections])
        await self._dispatch.idle()
        if late.active():
            late.cancel()
        await DeferredList([Deferred.fromCoroutine(one.leave()) for one in self.connections])
        if self._port is not None:
            await self._port.stopListening()
        log.info("gone")
        self._process.gone()

    # --- what is offered ----------------------------------------------------------------------------------------

    def _offers(self, checks: Sequence[verify.Check]) -> Offers:
        uris = self.who.contract()
        contract = Contract(self.who, self._release.version, self._dispatch, self.document)
        shared = [*self._procedures, contract.probe]
        return Offers(
            procedures={bound.uri: self._procedure(bound) for bound in shared},
            contract=contract.answers(shared),
            topics={bound.uri: self._topic(bound) for bound in self._topics},
            checks=checks,
            ping=uris["ping"],
            call=uris["call"],
        )

    def _procedure(self, bound: Bound) -> Answer:
        def answer(args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
            return self._dispatch.call(bound, args, kwargs, details)

        return answer

    def _topic(self, bound: Bound) -> Answer:
        def take(args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
            if self.realm.seen(details):
                return succeed(None)
            return self._dispatch.event(bound, args, kwargs, details)

        return take

    # --- how it is ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state over all routers."""
        return overall(connection.state for connection in self.connections)

    @property
    def message(self) -> str:
        """What is in the way of being ready."""
        return self._message or "; ".join(one.error for one in self.connections if one.error)

    def document(self) -> dict[str, Any]:
        """What the control socket says (see `ionman.control`)."""
        return {
            "service": self.settings.service,
            "instance": self.name,
            "title": self.settings.title,
            "version": self._release.version,
            "release": self._release.release,
            "host": self.who.host,
            "pid": os.getpid(),
            "since": self._since.isoformat(timespec="seconds"),
            "state": str(self.state),
            "message": self.message,
            "answers": sorted(self._questions),
            "routers": {str(one.router): {"state": str(one.state), "error": one.error} for one in self.connections},
            "procedures": [bound.uri for bound in self._procedures],
            "in_flight": self._stats.in_flight,
            "stats": self._stats.document(),
        }

    def _ready_elsewhere(self, here: Connection) -> bool:
        return any(one.state is State.READY for one in self.connections if one is not here)

    def _changed(self) -> None:
        state = self.state
        if state is not self._state:
            self._state = state
            if state is State.READY:
                log.info("ready: {count} procedures on every router", count=len(self._procedures))
        self._process.told(state, self.message)

    def _fatal(self, error: IonmanError) -> None:
        if not self._message:
            self._message = error.message
            self._process.end(error)
