"""Whether the router may have the ports that it is to listen on: looked at before anything is changed."""

import json
from collections.abc import Mapping

from ionman import router as describe
from ionman.errors import InputError
from ionman.hosts import port, supervisor
from ionman.hosts.crossbar import FoundNode, Node
from ionman.hosts.layout import ROUTER, Layout
from ionman.routers import files

Place = tuple[str, int]  # address, port
MACHINES = "machines"  # the listener's id, ionman.routers.listener


def check(layout: Layout, node: Node, is_there: FoundNode) -> None:
    """Refuse a port that somebody else has, and one that is for root."""
    about = supervisor.about(layout, ROUTER)
    router = node.router
    moving = is_there.supervisor not in ("", supervisor.kind(layout, ROUTER))  # a change of it was killed on the way
    runs = bool(is_there.pid or moving)
    ours = {(about.get("address"), about.get("port")), _machines(is_there.files)} if runs else set()
    wanted: dict[str, Place | None] = {
        "port": (router.address, router.port),
        "machines.port": _machines(node.files),
    }
    for name, place in wanted.items():
        if place:
            _look(layout, name, place, ours=place in ours)


def _look(layout: Layout, name: str, place: Place, *, ours: bool) -> None:
    address, number = place
    variable = f"router_{name}"
    account = layout.router_user
    if account and files.reserved(number):
        raise InputError(
            f"router.{name}: {number} is for root: the router runs as {account}",
            remedy=f"choose another port ({variable}), and redirect to it; nothing was changed",
        )
    if not ours and not port.free(address, number):
        raise InputError(
            f"router.{name}: {number} is in use by {port.holder(number)}",
            remedy=f"stop that, or choose another port ({variable}); nothing was changed",
        )


def _machines(texts: Mapping[str, str]) -> Place | None:
    """Where the configuration among the router's files lets machines in."""
    text = texts.get(describe.CONFIGURATION)
    for transport in json.loads(text)["workers"][0]["transports"] if text else ():
        if transport.get("id") == MACHINES:
            return transport["endpoint"]["interface"], transport["endpoint"]["port"]
    return None
