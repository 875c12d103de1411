"""What a call costs a service, for which the router asks the authorizer, against one of a client.

`python -m tests.bench.rights`. One Crossbar, one callee, two callers in turns, so that what else the machine does
meets both.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ionman.call import Account, Client, connect
from tests.callee import Callee
from tests.crossbar import Crossbar

URI, ROUNDS, CALLS, FLIGHT = "app.other.echo", 40, 200, 64
ALICE = {"name": "alice", "password": "alice-password", "role": "client"}
CLIENT = {"name": "client", "permissions": [{"uri": "app.", "match": "prefix", "allow": ["call"]}]}


def described(directory: Path) -> Crossbar:
    crossbar = Crossbar(directory)
    crossbar.description["realms"] = [{"name": "ionman", "roles": [CLIENT], "users": [ALICE]}]
    services: list[tuple[str, str, list[str]]] = [("demo", "app.demo.method1", ["app."]), ("other", URI, [])]
    crossbar.description["services"] = [
        {
            "name": name,
            "realm": "ionman",
            "user": name,
            "password": f"{name}-password",
            "procedures": [uri],
            "calls": calls,
        }
        for name, uri, calls in services
    ]
    return crossbar


def in_turn(client: Client) -> float:
    """Seconds of one call, when each waits for the one before: the median."""
    took = []
    for number in range(CALLS):
        began = time.perf_counter()
        client.call(URI, number)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def together(client: Client) -> float:
    """Seconds of one call, when FLIGHT are under way at a time."""
    began = time.perf_counter()
    for _ in range(CALLS // FLIGHT):
        for reply in [client.submit(URI, 1) for _ in range(FLIGHT)]:
            reply.result()
    return (time.perf_counter() - began) / (CALLS // FLIGHT * FLIGHT)


def answer(argv: Any, details: Any) -> Any:
    del details
    return argv


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        crossbar = described(Path(directory)).start()
        found: dict[tuple[str, str], list[float]] = {}
        with (
            Callee(crossbar.address, crossbar.ca, Account("ionman", "other", "other-password"), {URI: answer}),
            connect([crossbar.address], user="alice", password="alice-password", ca=crossbar.ca) as alice,
            connect([crossbar.address], user="demo", password="demo-password", ca=crossbar.ca) as demo,
        ):
            pair = [("client", alice), ("service", demo)]
            for number in range(ROUNDS):
                for way in (in_turn, together):
                    for who, client in pair if number % 2 else reversed(pair):
                        found.setdefault((way.__name__, who), []).append(way(client))
        crossbar.stop()
    for name in ("in_turn", "together"):
        pairs = list(zip(found[name, "client"], found[name, "service"], strict=True))
        more = statistics.median(service - client for client, service in pairs)
        texts = [f"{who} {1e3 * statistics.median(found[name, who]):.3f} ms" for who in ("client", "service")]
        print(
            f"{name}: {', '.join(texts)}; the service's takes {1e3 * more:.3f} ms more (median of {len(pairs)} pairs)"
        )


if __name__ == "__main__":
    main()
