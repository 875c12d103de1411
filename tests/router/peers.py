"""What a hostile client costs the others: their calls measured while it is at work."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ionman import process
from ionman.call import Account
from tests.callee import Callee
from tests.crossbar import Crossbar

ROOT = Path(__file__).parents[2]
PACE = 0.01  # s between two calls
P99 = 0.1  # s that a call of another client may take
URI = "app.hostile.echo"


@contextmanager
def hostile(router: Crossbar, how: str, seconds: float, seed: int = 1) -> Iterator[dict[str, Any]]:
    """A hostile client at work around what is done inside; what it did is in the mapping afterwards."""
    told = {"how": how, "seconds": seconds, "port": router.port, "ca": str(router.ca), "seed": seed}
    told |= {"user": "bob", "password": router.users["bob"]}
    command = [sys.executable, "-m", "tests.router.hostile"]
    child = process.start(command, cwd=ROOT, stdin=process.PIPE, stdout=process.PIPE, stderr=None, die_with_parent=True)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(told).encode())
    child.stdin.close()
    done: dict[str, Any] = {}
    try:
        if how == "half-open":
            done |= json.loads(child.stdout.readline())
        yield done
        done |= json.loads(child.stdout.read().splitlines()[-1])
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def calls(router: Crossbar, seconds: float) -> list[float]:
    """Seconds that each call of another client took, one every `PACE` for `seconds`; each is answered rightly."""
    took = []
    account = Account(router.realm, "myserviceusername", router.users["myserviceusername"])
    with (
        Callee(router.address, router.ca, account, {URI: lambda argv, _: argv}),
        router.caller("alice") as alice,
    ):
        until = time.monotonic() + seconds
        number = 0
        while (began := time.monotonic()) < until:
            number += 1
            assert alice.call(URI, number) == number
            took.append(time.monotonic() - began)
            time.sleep(max(0.0, PACE - took[-1]))
    return took


def p99(took: list[float]) -> float:
    """The 99th percentile."""
    return sorted(took)[int(len(took) * 0.99)]


@contextmanager
def limit(pid: int) -> Iterator[list[float]]:
    """The p99 that is allowed for what is done inside, in seconds, when that is over.

    It is `P99` when the process `pid` gets a processor whenever it wants one, and more in proportion when the machine
    has other work: what it waited for is in the kernel's books (/proc/PID/schedstat, ns).
    """
    found: list[float] = []
    began, before = time.monotonic(), _waited(pid)
    yield found
    found.append(P99 / max(0.1, 1 - (_waited(pid) - before) / (time.monotonic() - began)))


def _waited(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def worker(router: Crossbar) -> int:
    """The pid of the router's worker."""
    assert router.process is not None
    children = Path(f"/proc/{router.process.pid}/task/{router.process.pid}/children").read_text().split()
    return int(children[0])


def main() -> None:
    """`python -m tests.router.peers HOW SECONDS`: quiet, and then beside a hostile client."""
    how, seconds = sys.argv[1], float(sys.argv[2])
    with tempfile.TemporaryDirectory() as directory:
        router = Crossbar(Path(directory)).start()
        try:
            before, pid = calls(router, 5), worker(router)
            with hostile(router, how, seconds) as done:
                beside = calls(router, seconds)
            log = router.log.read_text(errors="replace")
            print(json.dumps(done))
            print(f"quiet p99 {1e3 * p99(before):.1f} ms, max {1e3 * max(before):.1f} of {len(before)}")
            print(f"beside p99 {1e3 * p99(beside):.1f} ms, max {1e3 * max(beside):.1f} of {len(beside)}")
            print(f"worker {pid} {worker(router)}, log {len(log)} octets, {log.count(chr(10))} lines")
            rss = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split("kB")[0].strip()
            print(f"rss {rss} kB; callers afterwards: {router.call('wamp.session.count', user='ops')} sessions")
        finally:
            router.kill()


if __name__ == "__main__":
    main()
