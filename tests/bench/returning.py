"""How many sessions of services come back to a router that was killed: how soon, and how hard that is for it.

    python -m tests.bench.returning [SESSIONS [PROCESSES]]

Each session is an instance's own connection (ionman.runtime.connection) with its own back-off: it logs in, registers
its contract and its procedures, and pings itself. Told is when they were ready, counted from when the router listened
again; how many became ready in the busiest second; and what calls of another client took meanwhile.
"""

import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey
from twisted.internet import reactor as running
from twisted.internet.defer import Deferred, succeed

from ionman import process, settings
from ionman.errors import IonmanError
from ionman.runtime.connection import Connection, Hooks
from ionman.runtime.lifecycle import State
from ionman.runtime.offering import Offers
from tests.crossbar import Crossbar
from tests.router.linked import connect, until

SESSIONS, PROCESSES, PROCEDURES = 500, 5, 4
SEED = bytes(range(32))
DOWN = 5.0  # s between the kill and the start
reactor: Any = running


def hold(config: Path, first: int, count: int, told: Path) -> None:
    """Be so many instances; a line in `told` for each time that one is ready."""
    read = settings.read(config, "demo", {})
    said = told.open("a", buffering=1)

    def answer(*_: Any) -> "Deferred[dict[str, Any]]":
        return succeed({})

    def one(number: int) -> None:
        contract = {f"ionman.service.demo.m{number}.{verb}": answer for verb in ("ping", "info", "stats", "call")}
        procedures = {f"app.m.p{which}": answer for which in range(PROCEDURES)}
        ping, call = (f"ionman.service.demo.m{number}.{verb}" for verb in ("ping", "call"))
        offers = Offers(procedures, contract, {}, [], ping, call)
        state = {"was": State.CONNECTING}

        def changed() -> None:
            if connection.state is not state["was"]:
                state["was"] = connection.state
                said.write(f"{json.dumps([number, str(connection.state), time.time()])}\n")

        hooks = Hooks(reactor, changed, print, lambda _: False)
        connection = Connection(read.routers[0], read, offers, hooks)
        connection.start()

    for number in range(first, first + count):
        reactor.callLater((number - first) * 0.01, one, number)
    reactor.run()


def lines(folder: Path) -> Iterator[tuple[int, str, float]]:
    for path in folder.glob("*.told"):
        for line in path.read_text().splitlines():
            number, state, when = json.loads(line)
            yield number, state, when


def ready(folder: Path, since: float) -> dict[int, float]:
    return {number: when for number, state, when in lines(folder) if state == "ready" and when > since}


def main(sessions: int = SESSIONS, processes: int = PROCESSES) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as closing:
        folder = Path(name)
        router = Crossbar(folder / "router")
        key = {"name": "keyed", "key": bytes(SigningKey(SEED).verify_key).hex(), "role": "service_demo"}
        router.description["realms"][0]["users"].append(key)
        (folder / "own.key").write_text(SEED.hex())
        config = folder / "config.ini"
        config.write_text(
            f"realm = ionman\nuser = keyed\nkey = own.key\nrouters = {router.address}\nca = {router.ca}\n"
        )
        closing.callback(router.kill)
        router.start()
        share = sessions // processes
        for number in range(processes):
            words: list[str | Path] = [
                sys.executable,
                "-m",
                __spec__.name,
                "hold",
                config,
                str(number * share),
                str(share),
            ]
            held = process.start([*words, folder / f"{number}.told"], die_with_parent=True)
            closing.callback(held.wait)
            closing.callback(held.kill)
        until(lambda: len(ready(folder, 0.0)) == sessions, 300)
        _return(router, folder, sessions)


def _return(router: Crossbar, folder: Path, sessions: int) -> None:
    router.kill()
    killed = time.time()
    time.sleep(DOWN)
    router.start()
    back, took = time.time(), []
    with connect(router) as client:
        while len(found := ready(folder, killed)) < sessions and time.time() < back + 120:
            began = time.monotonic()
            try:
                client.call("app.m.p0", idempotent=True, deadline=10.0)
            except IonmanError as error:
                print(f"a call meanwhile: {error.message}")
            took.append(time.monotonic() - began)
            time.sleep(0.02)
    after = sorted(when - back for when in found.values())
    busiest = Counter(int(second) for second in after).most_common(1)[0]
    print(
        f"{len(found)} of {sessions} back; s after it listened: first {after[0]:.1f}, median "
        f"{statistics.median(after):.1f}, last {after[-1]:.1f}; busiest second: {busiest[1]} (second {busiest[0]})"
    )
    calls = sorted(took)
    print(
        f"{len(calls)} calls meanwhile: median {calls[len(calls) // 2] * 1000:.0f} ms, "
        f"99 % {calls[int(len(calls) * 0.99)] * 1000:.0f} ms, longest {calls[-1] * 1000:.0f} ms"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["hold"]:
        hold(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main(*(int(word) for word in sys.argv[1:3]))
