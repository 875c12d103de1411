"""What proxy workers in front of a router bring on this machine: `python -m tests.bench.workers [ROUNDS]`.

Crossbars with none, two and four of them stand side by side and are measured in turns, so that what else the machine
does meets all. Beside calls a second and latency, the processor time that a call and a login cost the router worker is
told: what that leaves is the most that one router can do on a machine with any number of processors.
"""

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ionman import process
from ionman.call import Account, Client, connect
from ionman.files import write
from ionman.metering import processes
from tests.bench.proxied import proxied
from tests.callee import Callee
from tests.crossbar import Crossbar

PROXIES = (0, 2, 4)
URI = "app.demo.echo"
CLIENTS, FLIGHT, CALLS, LOGINS = 4, 16, 2000, 40

Figures = dict[str, list[float]]


class Proxied(Crossbar):
    """A router with proxy workers in front."""

    proxies = 0

    def write(self) -> Path:
        path = super().write()
        write(path, json.dumps(proxied(json.loads(path.read_text()), self.proxies, self.directory)))
        return path


@dataclass
class Standing:
    """A router with a callee, and clients; `pids` are its workers by their kind."""

    router: Proxied
    clients: list[Client]
    pids: dict[str, list[int]]

    def used(self) -> dict[str, float]:
        """Processor time (s) by kind of worker, until now."""
        found = {}
        for kind, pids in self.pids.items():
            used = [one for pid in pids if (one := processes.used(pid, {}))]
            found[kind] = sum(one.cpu for one in used)
        return found

    def memory(self) -> float:
        """Resident memory of all its processes, MB."""
        assert self.router.process is not None
        used = processes.used(self.router.process.pid, processes.tree())
        assert used is not None
        return used.memory / 2**20


def kinds(node: int) -> dict[str, list[int]]:
    """The workers of a node: `router` and `proxy` -> processes."""
    found: dict[str, list[int]] = defaultdict(list)
    for pid in processes.tree().get(node, []):
        words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        found["proxy" if "proxy" in words.lower() else "router"].append(pid)
    return dict(found)


@contextmanager
def standing(proxies: int) -> Iterator[Standing]:
    """Router, callee and clients."""
    with ExitStack() as stack:
        router = Proxied(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        router.proxies = proxies
        router.start()
        stack.callback(router.stop)
        account = Account("ionman", "myserviceusername", "myservicepassword")
        stack.enter_context(Callee(router.address, router.ca, account, {URI: lambda argv, details: argv}))
        clients = [stack.enter_context(client(router)) for _ in range(CLIENTS)]
        assert router.process is not None
        yield Standing(router, clients, kinds(router.process.pid))


def client(router: Crossbar) -> Client:
    return connect([router.address], user="alice", password="alice-password", ca=router.ca)


def calls(one: Standing, figures: Figures) -> int:
    """Calls with CLIENTS x FLIGHT under way at a time; how many."""
    took: list[float] = []
    began = time.perf_counter()
    for _ in range(CALLS // (CLIENTS * FLIGHT)):
        replies = []
        for number in range(CLIENTS * FLIGHT):
            sent = time.perf_counter()
            reply = one.clients[number % CLIENTS].submit(URI, number)
            reply.add_done_callback(partial(_note, took, sent))
            replies.append(reply)
        for reply in replies:
            reply.result()
    figures["calls a second"].append(len(took) / (time.perf_counter() - began))
    took.sort()
    figures["p50 ms"].append(1e3 * took[len(took) // 2])
    figures["p99 ms"].append(1e3 * took[len(took) * 99 // 100])
    return len(took)


def _note(took: list[float], sent: float, _: Any) -> None:
    took.append(time.perf_counter() - sent)


def in_turn(one: Standing, figures: Figures) -> int:
    """Calls that each wait for the one before; how many."""
    took = []
    for number in range(CALLS // 10):
        began = time.perf_counter()
        one.clients[0].call(URI, number)
        took.append(time.perf_counter() - began)
    figures["in turn ms"].append(1e3 * statistics.median(took))
    return len(took)


def logins(one: Standing, figures: Figures) -> int:
    """TLS, WebSocket and login, one after the other; how many."""
    began = time.perf_counter()
    for _ in range(LOGINS):
        client(one.router).close()
    figures["logins a second"].append(LOGINS / (time.perf_counter() - began))
    return LOGINS


WAYS: dict[str, Callable[[Standing, Figures], int]] = {"call": calls, "call in turn": in_turn, "login": logins}


def measure(one: Standing, figures: Figures) -> None:
    """One round."""
    for what, way in WAYS.items():
        before = one.used()
        count = way(one, figures)
        for kind, used in one.used().items():
            figures[f"{kind} us a {what}"].append(1e6 * (used - before[kind]) / count)


def main(rounds: int) -> None:
    with ExitStack() as stack:
        sides = {proxies: stack.enter_context(standing(proxies)) for proxies in PROXIES}
        found: dict[int, Figures] = {proxies: defaultdict(list) for proxies in PROXIES}
        for number in range(rounds):
            for proxies in PROXIES if number % 2 else reversed(PROXIES):
                measure(sides[proxies], found[proxies])
        rows: dict[str, dict[int, Any]] = {"memory MB": {p: one.memory() for p, one in sides.items()}}
        for proxies, figures in found.items():
            for name, values in figures.items():
                rows.setdefault(name, {})[proxies] = statistics.median(values)
    load = Path("/proc/loadavg").read_text().split()[0]
    processors = process.run(["nproc"]).stdout.strip()
    print(f"{processors} processors, load {load}, median of {rounds} rounds")
    print(f"{'proxy workers':<26}" + "".join(f"{proxies:>10}" for proxies in PROXIES))
    for name, row in rows.items():
        print(f"{name:<26}" + "".join(f"{row.get(proxies, float('nan')):>10.1f}" for proxies in PROXIES))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
