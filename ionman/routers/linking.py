"""Carries what is published on one router to the others, so that each of their subscribers hears it exactly once.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands. One component for each realm. It

- gives every event that a client publishes a key, unless its publisher did: WAMP's `transaction_hash`;
- takes a key of one publisher and topic once, whoever brings it: a client that tries again, a service that publishes on
  all routers, a link;
- hands each event that its publisher may publish, and only those, to the link to every other router (ionman_link.py).
  What comes by a link goes no further.

Who the others are is in a file that is read again when it was replaced (ionman.routers.links writes it).
"""
# ruff: noqa: TID251 - it runs in Crossbar, not in ionman

import hashlib
import json
import secrets
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import cbor2
from autobahn.twisted.wamp import ApplicationSession
from autobahn.util import id as new_id
from autobahn.wamp.exception import ApplicationError, ProtocolError
from autobahn.wamp.message import Publish, Published
from autobahn.wamp.types import RegisterOptions
from ionman_link import TAKE, Link  # type: ignore[import-not-found]
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

STATE = "ionman.router.links"
OWN = ("wamp.", "crossbar.", "ionman.")  # of one router alone; what ionman itself publishes it publishes on each
REMEMBERED = 100_000  # keys; a router that was frozen may bring one late
LOOK = 1.0  # s between two looks at the file

log = Logger(namespace="ionman")


class Keys:
    """The events that were here, without their contents: a publisher, a topic and a key, as one digest."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def repeats(self, *parts: str | None) -> bool:
        """Whether this was here before; it was from now on."""
        digest = hashlib.blake2b("\0".join(part or "" for part in parts).encode(), digest_size=16).digest()
        if digest in self._seen:
            return True
        self._seen[digest] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False


class Links(ApplicationSession):
    """Crossbar's component for one realm, in the role `trusted`; `extra` has the path of the file, `links`."""

    async def onJoin(self, details: Any) -> None:  # noqa: N802 - Autobahn's name
        """Be there before the listener is: Crossbar opens it when every component has joined."""
        self._realm, self._began = details.realm, time.monotonic()
        self._path, self._seen = Path(self.config.extra["links"]), (0, 0)
        self._place: dict[str, Any] = {}
        self._links: dict[str, Link] = {}
        self._keys, self._taken, self._repeated = Keys(), 0, 0
        transport: Any = self._transport  # crossbar/router/session.py, RouterApplicationSession
        self._router = transport._router
        self._process, self._router.process = self._router.process, self._passing
        await self.register(self.take, TAKE, RegisterOptions(details_arg="details"))
        await self.register(self.state, STATE)
        LoopingCall(self._look).start(LOOK)

    # --- here -> there ------------------------------------------------------------------------------------------

    def _passing(self, session: Any, message: Any) -> None:
        """What Crossbar does with each message that came (crossbar/router/router.py, Router.process)."""
        if session is not self and getattr(message, "forward_for", None):
            message.forward_for = None  # Crossbar believes anybody who says that he speaks for another
        if isinstance(message, Publish) and not message.topic.startswith(OWN):
            if message.transaction_hash and self._keys.repeats(
                session._authid,
                message.topic,
                message.transaction_hash,
            ):
                self._repeated += 1
                if message.acknowledge:
                    self._router.send(session, Published(message.request, new_id()))
                return
            if self._links and not message.eligible:  # sessions of this router
                self._carry(session, message)
        self._process(session, message)

    def _carry(self, session: Any, message: Publish) -> None:
        message.transaction_hash = message.transaction_hash or secrets.token_hex(8)
        who = {"session": session._session_id, "authid": session._authid, "authrole": session._authrole}
        event = cbor2.dumps([who, message.marshal()])

        def authorized(said: dict[str, Any]) -> None:
            if said["allow"]:
                for link in self._links.values():
                    link.send(event)

        options = message.marshal_options()
        asked = self._router.authorize(session, message.topic, "publish", options=options)
        asked.addCallbacks(authorized, lambda _: None)  # Crossbar asks too, and says what is wrong

    # --- there -> here ------------------------------------------------------------------------------------------

    def take(self, events: list[bytes], details: Any) -> dict[str, Any]:
        """Publish here what was published on another router; returns who took it, and for how long (s) it is up."""
        if details.caller_authid not in self._place.get("users", {}).values():
            raise ApplicationError(ApplicationError.NOT_AUTHORIZED, f"{TAKE} is for links")
        for event in events:
            try:
                who, parts = cbor2.loads(event)
                message = Publish.parse(parts)
                self._take(who, message)
            except (ValueError, TypeError, LookupError, ProtocolError, cbor2.CBORDecodeError) as error:
                log.warn("an event came by a link that is none: {kind}", kind=type(error).__name__)
        return {"router": self._place["name"], "up": time.monotonic() - self._began}

    def _take(self, who: dict[str, Any], message: Publish) -> None:
        if self._keys.repeats(who["authid"], message.topic, message.transaction_hash):
            self._repeated += 1
            return
        self._taken += 1
        message.forward_for, message.exclude, message.acknowledge = [who], None, None
        self._process(self, message)

    # --- who the others are -------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """How the links of this realm are, by the other router's name."""
        return {
            "links": {name: link.state() for name, link in self._links.items()},
            **{"taken": self._taken, "repeated": self._repeated},
        }

    def _look(self) -> None:
        """Read the file again if it is another one, or was changed."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_ctime_ns)
            if seen == self._seen:
                return
            self._seen = seen
            place = json.loads(self._path.read_text())
            self._arrange(place)
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warn("{path} cannot be used: {error!r}; the links stay as they are", path=self._path, error=error)

    def _arrange(self, place: dict[str, Any]) -> None:
        """Have a link to each router of the file, and to no other."""
        wanted = {peer["name"]: peer for peer in place["peers"]}
        same = all(place[key] == self._place.get(key) for key in ("key", "ca", "users"))
        for name, link in list(self._links.items()):
            if not same or name not in wanted or wanted[name]["address"] != link.address:
                self._links.pop(name).stop()
        self._place = place
        for name, peer in wanted.items():
            if name not in self._links:
                self._links[name] = Link(peer, place, self._realm)
