#!/usr/bin/python3
"""Stands in for twistd on a host without a router: speaks the control socket's protocol, as its configuration asks.

`app_fake` in config.ini: ready (default), never (never becomes ready), crash (ends at once), stubborn (ignores TERM).
"""

import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path


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


def main() -> None:
    fake = settings().get("app_fake", "ready")
    print("starting", *sys.argv[1:], flush=True)
    if fake == "crash":
        print("myservicepassword is wrong: the router refused demo", flush=True)
        sys.exit(78)
    probe()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if fake == "stubborn" else lambda *_: sys.exit(0))
    path = Path(os.environ["IONMAN_CONTROL"])
    path.unlink(missing_ok=True)
    state = {"state": "connecting", "message": "host1:8443 refused"} if fake == "never" else {"state": "ready"}
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        while True:
            peer, _ = server.accept()
            with peer:
                answer = {"service": "demo", "pid": os.getpid(), "host": socket.gethostname(), "message": "", **state}
                peer.sendall(json.dumps(answer).encode() + b"\n")


main()
