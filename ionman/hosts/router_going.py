"""A router goes away for a moment: others take over first, everybody leaves it, and how long it took is remembered."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ionman import router as describe
from ionman.calls.client import Client
from ionman.errors import NotPossible, Refused, Unavailable
from ionman.files import write
from ionman.hosts import door, router_leave, router_ready
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.hosts.state import Router

AWAY = 7.0  # s that a restart of Crossbar takes, where none was seen yet (facts: stop 5.7 s, boot 7.0 s)
DEADLINE = 10.0  # s for one question by the door
# s for a router that is removed: to be served elsewhere, to leave, to keep away (then nothing listens here any more).
HELD, DRAIN, FOR_GOOD = 60.0, 30.0, 60.0


def away(layout: Layout) -> float:
    """Seconds that the last restart on this host took."""
    path = layout.router_state / "away.json"
    return float(json.loads(path.read_text())["seconds"]) if path.exists() else AWAY


def realms(folder: Path) -> list[str]:
    """The realms of the configuration in `folder`."""
    text = (folder / describe.CONFIGURATION).read_text()
    return [realm["name"] for realm in json.loads(text)["workers"][0]["realms"]]


def refuse(layout: Layout, outage: str) -> NotPossible:
    """What is said where nobody takes over, and nobody allowed that."""
    return NotPossible(
        f"{outage}: its callers would wait for about {away(layout):.0f} s",
        remedy="say that they may (router_allow_outage: true), or add a second router; nothing was changed",
    )


@dataclass(frozen=True)
class Going:
    """The router of this host before it goes away."""

    layout: Layout
    router: Router
    say: Say

    def ready(self) -> None:
        """Wait until others have what this one has. `NotPossible` when they have not; nothing was changed then."""
        rolling = self.router.rolling
        seconds = away(self.layout)
        if rolling.allow_outage or not rolling.others:
            self.say(f"router: it will be away for about {seconds:.0f} s; callers that use no other one wait")
            return
        router_ready.assure(rolling.others, self.layout.ca)
        try:
            _held(self.layout, self.router.ready_timeout, self.say)
        except (Refused, Unavailable) as error:
            self.say(f"router: cannot ask who serves elsewhere: {error.message}")

    def leave(self) -> None:
        """Have everybody leave; who does not, and those who cannot be asked, lose what is in flight."""
        _leave(self.layout, self.router.rolling.drain_timeout, away(self.layout) + 1, self.say)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Remember how long what is done here takes."""
        began = time.monotonic()
        yield
        seconds = round(time.monotonic() - began, 1)
        write(self.layout.router_state / "away.json", json.dumps({"seconds": seconds}) + "\n")


def for_good(layout: Layout, say: Say, *, allow_gap: bool) -> None:
    """Have everybody leave a router that is to be removed.

    `NotPossible` when an instance serves on no other one, unless `allow_gap`; nothing was changed then.
    """
    try:
        if not allow_gap:
            _held(layout, HELD, say)
    except (Refused, Unavailable) as error:
        say(f"router: cannot ask who serves elsewhere: {error.message}")
        return
    _leave(layout, DRAIN, FOR_GOOD, say)


def _held(layout: Layout, limit: float, say: Say) -> None:
    router_ready.await_held(partial(_enter, layout), realms(layout.router_proven), limit, say)


def _leave(layout: Layout, limit: float, seconds: float, say: Say) -> None:
    if not limit:
        return
    say(f"router: asking callers and services to go elsewhere, for {limit:g} s at most")
    try:
        stay = router_leave.leave(partial(_enter, layout), realms(layout.router_proven), limit, seconds, say)
    except (Refused, Unavailable) as error:
        say(f"router: nobody could be asked to leave, so calls in flight are lost: {error.message}")
        return
    if stay:
        say(f"router: {', '.join(stay)} did not leave within {limit:g} s; calls in flight there are lost")


def _enter(layout: Layout, realm: str) -> Client:
    return door.enter(layout, realm, DEADLINE)
