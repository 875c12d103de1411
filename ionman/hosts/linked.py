"""How the links of this host's router to the others are, told by the router itself.

A link that cannot be made is no reason for Crossbar not to start, and nothing of a check beforehand can know: so it is
asked after the start.
"""

import json
import time
from pathlib import Path
from typing import Any

from ionman.errors import IonmanError, Unavailable
from ionman.hosts import door
from ionman.hosts.layout import Layout
from ionman.router import LINKS

STATE = "ionman.router.links"
PAUSE = 0.3  # s between two looks

Links = dict[str, Any]  # realm -> {"links": {router: {"address", "up", "error", "since", ...}}, "taken", "repeated"}


def look(layout: Layout) -> Links:
    """The state of all links of this router; nothing where there are none."""
    path = Path(layout.router_configuration) / LINKS
    if not path.exists():
        return {}
    found: Links = {}
    for realm in json.loads(path.read_text())["users"]:
        with door.enter(layout, realm) as router:
            found[realm] = router.call(STATE)
    return found


def lines(links: Links) -> list[str]:
    """One for each link."""
    return [
        f"{realm}: {name} ({link['address']}): {'up' if link['up'] else link['error']}"
        for realm, state in links.items()
        for name, link in state["links"].items()
    ]


def down(links: Links) -> list[str]:
    """Those of `lines` that are not up."""
    return [line for line in lines(links) if not line.endswith(": up")]


def settled(layout: Layout, seconds: float) -> Links:
    """The state as soon as all are up; raises `Unavailable` with what is in the way when they are not in time."""
    ends = time.monotonic() + seconds
    while True:
        problem: IonmanError | None = None
        try:
            links = look(layout)
        except Unavailable as error:  # it may still be starting
            problem = error
        else:
            if not (away := down(links)):
                return links
            text = "".join(f"\n    {line}" for line in away)
            remedy = (
                "look at that router, and at the certificates and the link secret of both; they try on by themselves"
            )
            problem = Unavailable(f"events do not reach every other router:{text}", remedy=remedy)
        if time.monotonic() > ends:
            raise problem
        time.sleep(PAUSE)
