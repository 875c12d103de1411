"""The few system calls that Python 3.11 has no name for (unshare(2), setns(2), mount(2) come with 3.12 or never)."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000  # linux/sched.h
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32  # linux/mount.h
MS_BIND, MS_REC, MS_SLAVE = 1 << 12, 1 << 14, 1 << 19
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def private_mounts() -> None:
    """Give this process a mount namespace of its own: what it mounts vanishes when its last process ends.

    Unmounting outside still reaches it (MS_SLAVE), else it would keep the namespaces of labs that are long gone.
    """
    _checked(_libc.unshare(CLONE_NEWNS), "unshare")
    mount("none", Path("/"), flags=MS_REC | MS_SLAVE)


def enter_network(namespace: Path) -> None:
    """Move the calling thread into a network namespace; sockets it has stay where they were made."""
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(descriptor, CLONE_NEWNET), str(namespace))
    finally:
        os.close(descriptor)


def mount(source: str | Path, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2); raises `OSError` naming the target."""
    result = _libc.mount(
        str(source).encode(), str(target).encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
    )
    _checked(result, str(target))


def overlay(lower: Path, upper: Path, work: Path, target: Path) -> None:
    """Mount `lower` at `target`, with every change kept in `upper`."""
    mount("overlay", target, "overlay", data=f"lowerdir={lower},upperdir={upper},workdir={work}")
