"""Whether a TCP port is free on this machine, and who has it (Linux: proc(5), /proc/net/tcp)."""

import contextlib
import errno
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h


def free(address: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def account(port: int) -> str:
    """The account whose program listens on `port`, its number where it has no name; empty when none does."""
    for line in _lines(port):
        number = int(line[7])
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:
            return str(number)
    return ""


def holder(port: int) -> str:
    """Who listens on `port`: `nginx (pid 123)`, or `another process` when it cannot be seen."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if inodes & set(_open(process)):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return "another process"


def _open(process: Path) -> Iterator[str]:
    """What the process has open, as the links in its /proc folder name it."""
    for link in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield str(link.readlink())


def _listening(port: int) -> Iterator[str]:
    """The inodes of the sockets that listen on `port`."""
    return (line[9] for line in _lines(port))


def _lines(port: int) -> Iterator[list[str]]:
    """The words of the kernel's lines about sockets that listen on `port`: proc(5), /proc/net/tcp."""
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            if words[3] == LISTEN and int(words[1].rsplit(":", 1)[1], 16) == port:
                yield words
