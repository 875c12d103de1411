"""Two linked routers, and those who publish and listen there and keep count."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ionman
from ionman.call import Account, Client
from ionman.calls import message as wamp
from ionman.errors import IonmanError
from tests.crossbar import Crossbar

SECRET = "a secret for the links of tests only"
NAMES = ("one", "two")


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


class Pair:
    """The routers `one` and `two`."""

    def __init__(self, base: Path, closing: ExitStack) -> None:
        self.one = Crossbar(base / "one")
        self.two = Crossbar(base / "two", authority=self.one.authority)
        self.routers = dict(zip(NAMES, (self.one, self.two), strict=True))
        for name, router in self.routers.items():
            router.description["links"] = {"name": name, "secret": SECRET, "ca": str(self.one.ca)}
            router.description["realms"][0]["roles"].append(
                {"name": "reader", "permissions": [{"uri": "app.", "match": "prefix", "allow": ["subscribe"]}]}
            )
            router.description["realms"][0]["users"].append({"name": "rosa", "password": "rosa-word", "role": "reader"})
            router.users = {**router.users, "rosa": "rosa-word"}
            closing.callback(router.kill)
        self.reach({name: router.address for name, router in self.routers.items()})

    @property
    def addresses(self) -> list[str]:
        return [router.address for router in self.routers.values()]

    def reach(self, addresses: Mapping[str, str]) -> None:
        """Have each reach the other by these addresses, from its next look at its file on."""
        for name, router in self.routers.items():
            peers = [{"name": other, "address": addresses[other]} for other in NAMES if other != name]
            router.description["links"]["peers"] = peers
            router.write()

    def start(self) -> "Pair":
        for router in self.routers.values():
            router.start()
        self.linked()
        return self

    def state(self, name: str) -> dict[str, Any]:
        """What the router `name` says of its links."""
        with Client([f"unix:{self.routers[name].door}"], Account("ionman"), deadline=10) as host:
            told: dict[str, Any] = host.call("ionman.router.links")
            return told

    def link(self, name: str) -> dict[str, Any]:
        """How the link is that the router `name` has to the other one."""
        (link,) = self.state(name)["links"].values()
        return dict(link)

    def linked(self) -> None:
        until(lambda: all(self.link(name)["up"] for name in NAMES))


@contextmanager
def pair(base: Path) -> Iterator[Pair]:
    with ExitStack() as closing:
        yield Pair(base, closing).start()


def connect(routers: Crossbar | list[Crossbar], user: str = "alice", **more: Any) -> Client:
    several = [routers] if isinstance(routers, Crossbar) else routers
    first = several[0]
    addresses = [one.address for one in several]
    return ionman.connect(addresses, user=user, password=first.users[user], ca=first.ca, **{"deadline": 20.0} | more)


def tell(client: Client, topic: str, value: Any, **options: Any) -> None:
    """Publish with options that a client of ours does not offer."""
    body = wamp.body(wamp.PUBLISH, {"acknowledge": True, "exclude_me": False, **options}, topic, [value])
    client._wait(client._ask(topic, body, 10.0, False, True))


class Ear:
    """Counts what a client hears from `since` on; `until` when its router was ended."""

    def __init__(self, client: Client, topic: str = "app.t.", match: Any = "prefix") -> None:
        self.heard: Counter[tuple[str, int]] = Counter()
        self.until = float("inf")
        client.subscribe(topic, self._hear, match=match).made.result(20)
        self.since = time.monotonic()

    def _hear(self, value: Any) -> None:
        name, number = value
        self.heard[(name, number)] += 1


@dataclass
class Told:
    """One event that a router has taken: when it was sent, when that was said, and by whom."""

    sent: float
    taken: float
    router: str


class Mouth(threading.Thread):
    """Publishes `[name, number]` in turn; `told` has what was acknowledged."""

    def __init__(self, name: str, client: Client, every: float = 0.03) -> None:
        super().__init__(daemon=True)
        self.name, self.client, self.every = name, client, every
        self.told: dict[tuple[str, int], Told] = {}
        self._ended = threading.Event()
        self.start()

    def run(self) -> None:
        number = 0
        while not self._ended.wait(self.every):
            number += 1
            router, sent = self.client.router or "", time.monotonic()
            try:
                self.client.publish("app.t.news", [self.name, number], deadline=5.0)
            except IonmanError:
                continue  # nobody knows whether it was published
            self.told[(self.name, number)] = Told(sent, time.monotonic(), router)

    def end(self) -> dict[tuple[str, int], Told]:
        self._ended.set()
        self.join(30)
        return self.told
