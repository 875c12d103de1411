#!/usr/bin/python3
"""Stands in for twistd on a host without a router: speaks the control socket's protocol, as its configuration asks.

`app_fake` in config.ini: ready (default), never (no router lets it in), refused (never ready, by its own fault), crash
(ends at once), dies (ends 2 s after it became ready), slow, failing (its calls are), stubborn (ignores TERM). A second
instance of its generation is `refused` with `app_second = refused`. `app_alone`: the procedures that nobody else has.
"""

import json
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

STATES = {
    "never": {"state": "connecting", "message": "host1:8443 refused"},
    "refused": {"state": "registering", "message": "app.demo.method1 is not allowed"},
}
CALLS = 100  # a second that it says it has answered


def settings() -> dict[str, str]:
    lines = Path(os.environ["IONMAN_CONFIG"]).read_text().splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def probe() -> None:
    """Note what this process may do, for the test to read."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    folders = ("/", "/tmp", "/run", os.environ["HOME"], str(Path(os.environ["IONMAN_CONTROL"]).parent))
    seen = {
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "rights": {
            key: status[key].strip() for key in ("NoNewPrivs", "CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")
        },
        "read_only": {folder: bool(os.statvfs(folder).f_flag & os.ST_RDONLY) for folder in folders},
        "tmp": [path.name for path in Path("/tmp").iterdir()],
        "environment": sorted(os.environ),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    }
    Path(os.environ["HOME"], "probe.json").write_text(json.dumps(seen))


def stats(fake: str, began: float) -> dict[str, object]:
    """What it says of its calls: it makes them up."""
    calls = int((time.monotonic() - began) * CALLS)
    errors = calls // 2 if fake == "failing" else 0
    mean = 50.0 if fake == "slow" else 1.0
    tally = {"calls": calls, "errors": errors, "total_ms": calls * mean, "latency_ms": {"mean": mean}}
    return {"app.demo.method1": tally}


def answer(peer: socket.socket, document: dict[str, object], alone: list[str]) -> None:
    peer.sendall(json.dumps(document).encode() + b"\n")
    peer.settimeout(0.5)
    try:
        if peer.recv(100) == b"others\n":
            peer.sendall(json.dumps({"alone": alone, "unknown": []}).encode() + b"\n")
    except OSError:  # it asked for nothing more
        pass


def main() -> None:
    config = settings()
    fake = config.get("app_fake", "ready")
    if config.get("app_second") and not os.environ["IONMAN_INSTANCE"].endswith(".1"):
        fake = config["app_second"]
    print("starting", *sys.argv[1:], flush=True)
    if fake == "crash":
        print("myservicepassword is wrong: the router refused demo", flush=True)
        print(f"2026-11-23T10:00:00.000000Z error {os.environ['IONMAN_INSTANCE']}: the router refused", flush=True)
        sys.exit(78)
    probe()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fake == "stubborn" else lambda *_: sys.exit(0))
    path = Path(os.environ["IONMAN_CONTROL"])
    path.unlink(missing_ok=True)
    state = STATES.get(fake, {"state": "ready"})
    began = time.monotonic()
    if fake == "dies":
        signal.alarm(2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        while True:
            peer, _ = server.accept()
            with peer:
                who = {"service": "demo", "pid": os.getpid(), "host": socket.gethostname(), "message": ""}
                said = {"procedures": config.get("app_answers", "").split(), "answers": ["others"]}
                document = {**who, **state, **said, "stats": stats(fake, began)}
                answer(peer, document, [one for one in config.get("app_alone", "").split(", ") if one])


main()
