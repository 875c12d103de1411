"""Runs on a lab host in a service's place, as MODE asks; tells its supervisor when it is ready, sd_notify(3).

ready (default); waits (is never ready); crash (ends at once); slow (takes a second to end); stubborn (ignores TERM);
chatty (writes as much as is taken, and notes how many bytes that was).
"""

import json
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

MODE = os.environ.get("MODE", "ready")
STATE = Path(os.environ["HOME"])


def notify(text: str) -> None:
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(text.encode(), address)


def end(*_: object) -> None:
    if MODE == "slow":
        time.sleep(1)
    print("finished", flush=True)
    sys.exit(0)


def probe() -> None:
    """Note what this process may do, for the test to read."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    run_dir = Path("/run/ionman", os.environ["IONMAN_INSTANCE"])
    folders = ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", str(STATE), str(run_dir))
    Path(run_dir, "control.sock").touch()
    seen = {
        "uid": os.getuid(),
        "groups": os.getgroups(),
        "rights": {key: status[key].strip() for key in ("NoNewPrivs", "CapEff", "CapPrm", "CapBnd", "CapAmb")},
        "writable": [folder for folder in folders if not os.statvfs(folder).f_flag & os.ST_RDONLY],
        "private": [name for folder in ("/tmp", "/var/tmp", "/dev/shm") for name in map(str, Path(folder).iterdir())],
        "environment": {name: os.environ.get(name) for name in ("GREETING", "USER", "LISTEN_FDS", "SHELL")},
        "arguments": sys.argv[1:],
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "data": resource.getrlimit(resource.RLIMIT_DATA)[1],
        "umask": status["Umask"].strip(),
    }
    (STATE / "probe.json").write_text(json.dumps(seen))


print("starting", os.getpid(), flush=True)
if MODE == "crash":
    sys.exit(78)
signal.signal(signal.SIGTERM, signal.SIG_IGN if MODE == "stubborn" else end)
probe()
if MODE != "waits":
    notify("READY=1")
wrote = 0
while True:
    if MODE == "chatty":
        wrote += os.write(1, (b"x" * 999 + b"\n") * 20)
        (STATE / "wrote").write_text(str(wrote))
    else:
        time.sleep(0.1)
