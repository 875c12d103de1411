"""The lab's network: one namespace with one bridge, with no interface that leads out of it or in."""

import contextlib
import os
import signal
import socket
import threading
import time
from pathlib import Path

from ionman import process
from ionman.errors import CommandFailed
from ionman.lab import kernel

NAMESPACES = Path("/run/netns")
BRIDGE = "lab"
GATEWAY = "10.77.0.1"
PREFIX = 24


def path(namespace: str) -> Path:
    """The file that stands for the namespace."""
    return NAMESPACES / namespace


def exists(namespace: str) -> bool:
    """Whether the namespace is there and is one (a plain file is what a kill between two steps leaves)."""
    return os.path.ismount(path(namespace))


def inside(namespace: str, *command: str | Path) -> list[str | Path]:
    """`command` so that it runs inside; not by `ip netns exec`, which remounts /sys and hides the control groups."""
    return ["nsenter", f"--net={path(namespace)}", *command]


def make(namespace: str) -> bool:
    """Make the namespace with its bridge; True when something had to be done."""
    if exists(namespace) and _bridge_up(namespace):
        return False
    remove(namespace)
    process.run(["ip", "netns", "add", namespace])
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "add", BRIDGE, "type", "bridge"),
        ("addr", "add", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE),
        ("link", "set", BRIDGE, "up"),
    ):
        process.run(["ip", "-netns", namespace, *words])
    return True


def _bridge_up(namespace: str) -> bool:
    done = process.run(["ip", "-netns", namespace, "-brief", "addr", "show", "dev", BRIDGE], check=False)
    return done.returncode == 0 and GATEWAY in done.stdout


def remove(namespace: str) -> None:
    """End everything that runs inside (ssh connections of other programs too) and remove the namespace."""
    if exists(namespace):
        for pid in members(namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.run(["ip", "netns", "delete", namespace])
    path(namespace).unlink(missing_ok=True)


def members(namespace: str) -> set[int]:
    """The processes whose network is this namespace: nothing but the lab's has a reason to be there."""
    wanted = path(namespace).stat().st_ino
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if (entry / "ns/net").stat().st_ino == wanted:
                    found.add(int(entry.name))
    return found - {os.getpid()}


def connect(namespace: str, address: str, port: int, timeout: float = 2.0) -> socket.socket:
    """A TCP connection made inside the namespace, usable outside; raises `OSError`."""
    result: list[socket.socket | OSError] = []

    def attempt() -> None:
        # A namespace belongs to a thread: this one enters and ends, the others never leave theirs.
        try:
            kernel.enter_network(path(namespace))
            result.append(socket.create_connection((address, port), timeout))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def greets(namespace: str, address: str, port: int = 22, timeout: float = 2.0) -> bool:
    """Whether an SSH server greets at that address."""
    try:
        with connect(namespace, address, port, timeout) as connection:
            return connection.recv(8).startswith(b"SSH-")
    except OSError:
        return False


def link(namespace: str, interface: str, *, up: bool) -> bool:
    """Cut (`up=False`) or heal the cable between the bridge and a host; False when the host is off or has none yet."""
    command = ["ip", "-netns", namespace, "link", "set", interface, "up" if up else "down"]
    return process.run(command, check=False).returncode == 0


def wait_gone(namespace: str, interface: str, timeout: float = 5.0) -> None:
    """Wait until a dead host's interface is gone: the kernel removes it a little after the last process."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            process.run(["ip", "-netns", namespace, "link", "show", interface])
        except CommandFailed:
            return
        time.sleep(0.05)
    process.run(["ip", "-netns", namespace, "link", "delete", interface])
