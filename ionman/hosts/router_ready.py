"""Before a router goes away: whether others take over what it does."""

import http.client
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ionman.calls.client import Client
from ionman.calls.reach import Router, parse
from ionman.errors import NotPossible, WampError
from ionman.hosts.lock import Say
from ionman.hosts.router_leave import Enter

INFO = "ionman.service.", ".info"  # what every instance answers about itself begins and ends so
READY = "ready"
TURN = 1.0  # s between two rounds of questions


def problem(address: str, ca: Path, timeout: float = 3.0) -> str:
    """Why the router at `address` is not well, as its clients would find it; empty when it is."""
    router = parse(address)
    try:
        return _health(router, ca, timeout)
    except (OSError, http.client.HTTPException) as error:
        return f"https://{router}/health: {error}"


def _health(router: Router, ca: Path, timeout: float) -> str:
    context = ssl.create_default_context(cafile=str(ca) if ca.exists() else None)
    connection = http.client.HTTPSConnection(router.host, router.port, timeout=timeout, context=context)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"https://{router}/health answers {status}"


def alone(routers: Mapping[str, str]) -> bool:
    """Whether an instance is ready on no second router; `routers`: its address of each -> how it stands there."""
    return sum(state == READY for state in routers.values()) < 2


class Instances:
    """What the instances that are registered on this host's router say about themselves."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._uris: dict[int, str] = {}

    def alone(self) -> list[str]:
        """The names of those that are ready on no second router. What is older, and does not tell, counts as ready."""
        asked = [self._client.submit(uri) for uri in self._infos()]
        found = []
        for reply in asked:
            try:
                said: Any = reply.result()
            except WampError:  # it is gone, or was registered by somebody else
                continue
            routers = said.get("routers") if isinstance(said, dict) else None
            if isinstance(routers, dict) and alone(routers):
                found.append(str(said.get("id")))
        return sorted(found)

    def _infos(self) -> list[str]:
        numbers = self._client.call("wamp.registration.list").get("exact", ())
        asked = {one: self._client.submit("wamp.registration.get", one) for one in numbers if one not in self._uris}
        for number, reply in asked.items():
            try:
                self._uris[number] = reply.result()["uri"]
            except WampError:
                continue
        begins, ends = INFO
        uris = (self._uris.get(number, "") for number in numbers)
        return [uri for uri in uris if uri.startswith(begins) and uri.endswith(ends)]


def assure(others: Iterable[str], ca: Path) -> None:
    """Raise `NotPossible` unless every one of `others` is well."""
    for address in others:
        if why := problem(address, ca):
            raise NotPossible(
                f"the router was not restarted, for another one is not well: {why}",
                remedy=f"mend {address} first, or allow an outage (router_allow_outage: true); nothing was changed",
            )


def await_held(enter: Enter, realms: Iterable[str], limit: float, say: Say) -> None:
    """Wait until every instance here is ready on a second router too; `NotPossible` after `limit` s."""
    deadline = time.monotonic() + limit
    told: list[str] = []
    with ExitStack() as closing:
        rooms = [Instances(closing.enter_context(enter(realm))) for realm in realms]
        while names := [name for room in rooms for name in room.alone()]:
            if names != told:
                say(f"router: waiting until {', '.join(names)} also serves on another router")
                told = names
            if time.monotonic() > deadline:
                raise NotPossible(
                    f"the router stays as it is, for {', '.join(names)} serves on no other router",
                    remedy="see why with `ionman host status`, or allow an outage (router_allow_outage: true)",
                )
            time.sleep(TURN)
