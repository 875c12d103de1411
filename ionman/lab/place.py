"""Where a lab keeps things and what it is made of: paths, names and `lab.json`."""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ionman.errors import InputError, Unavailable

STATE = Path("/var/lib/ionman/lab")
LOCKS = Path("/run/lock")
DEFAULT_NAME = "demo"
MOST_HOSTS = 20
ROUTER_PORT = 8443
_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
_HOST = re.compile(r"host[0-9]+")


@dataclass(frozen=True)
class Host:
    """A lab host: `host1`, reached inside the namespace at `address` (IPv4)."""

    name: str
    address: str


@dataclass(frozen=True)
class Lab:
    """A lab as `lab.json` describes it.

    `forwards` maps a name to a port on 127.0.0.1 of this machine and the host and port behind it;
    `github` is the double's `{"url": ...}`, empty when there is none; `base` is the tree under all hosts.
    """

    name: str
    base: str
    hosts: tuple[Host, ...]
    forwards: dict[str, int] = field(default_factory=dict)
    targets: dict[str, tuple[str, int]] = field(default_factory=dict)
    github: dict[str, str] = field(default_factory=dict)

    @property
    def directory(self) -> Path:
        """All that the lab keeps, for root only."""
        return STATE / self.name

    @property
    def namespace(self) -> str:
        """The network namespace, as `ip netns` names it."""
        return f"ionman-{self.name}"

    def host(self, name: str) -> Host:
        """The host called `name` (`host1` or `host1.lab`); raises `InputError` for another."""
        for host in self.hosts:
            if name in (host.name, f"{host.name}.lab"):
                return host
        raise InputError(f"lab {self.name} has no host {name}", remedy=f"its hosts: {', '.join(self.host_names)}")

    @property
    def host_names(self) -> list[str]:
        """host1, host2, ..."""
        return [host.name for host in self.hosts]


def check_name(name: str) -> str:
    """`name` if it can name a lab; raises `InputError` otherwise."""
    if not _NAME.fullmatch(name) or _HOST.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a lab",
            remedy="take a lower-case letter and up to 14 letters, digits or hyphens, and not the name of a host",
        )
    return name


def is_host(word: str) -> bool:
    """Whether `word` is a host's name (`host1`, `host1.lab`), which no lab can have."""
    return _HOST.fullmatch(word.removesuffix(".lab")) is not None


def plan(name: str, base: Path, hosts: int) -> Lab:
    """A new lab with `hosts` hosts; the addresses are the same in every lab, the namespaces are not."""
    if not 1 <= hosts <= MOST_HOSTS:
        raise InputError(f"a lab cannot have {hosts} hosts", remedy=f"take 1 to {MOST_HOSTS}")
    made = tuple(Host(f"host{number}", f"10.77.0.{10 + number}") for number in range(1, hosts + 1))
    return Lab(check_name(name), str(base), made, targets={"router": (made[0].name, ROUTER_PORT)})


def encode(lab: Lab) -> str:
    """`lab.json`."""
    return json.dumps(asdict(lab), indent=2) + "\n"


def decode(text: str) -> Lab:
    """The lab that `encode` wrote; raises `ValueError`, `KeyError` or `TypeError` for anything else."""
    data: dict[str, Any] = json.loads(text)
    hosts = tuple(Host(**host) for host in data["hosts"])
    targets = {name: (str(host), int(port)) for name, (host, port) in data["targets"].items()}
    return Lab(data["name"], data["base"], hosts, dict(data["forwards"]), targets, dict(data["github"]))


def find(name: str) -> Lab | None:
    """The lab that was written down as `name`, standing or not; None for one that was never finished."""
    try:
        return decode((STATE / check_name(name) / "lab.json").read_text())
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Unavailable(f"lab {name} cannot be read", remedy="labs belong to root: become root") from None
    except (ValueError, KeyError, TypeError):
        return None


def load(name: str) -> Lab:
    """The lab called `name`; raises `Unavailable` when there is none."""
    lab = find(name)
    if lab is None:
        raise Unavailable(f"there is no lab {name}", remedy=f"ionman lab up {name}")
    return lab


def save(lab: Lab) -> Lab:
    """Write `lab.json` in one step and return the lab."""
    write(lab.directory / "lab.json", encode(lab))
    return lab


def change(lab: Lab, **values: Any) -> Lab:
    """`lab` with other values, written down."""
    return save(replace(lab, **values))


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` to `path` so that a reader, or a kill, finds the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    draft.replace(path)


def names() -> list[str]:
    """All labs that have a directory, half-made ones too."""
    return sorted(path.name for path in STATE.glob("*") if _NAME.fullmatch(path.name)) if STATE.is_dir() else []


@contextlib.contextmanager
def locked(path: Path, tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock file `path`, waiting for it and telling so; the file is gone afterwards.

    A waiter may have opened the file that the holder removed, so the lock counts only on the file that is there now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waiting for another process that holds {path}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            break
        os.close(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def lock(name: str, tell: Callable[[str], None] = lambda _: None) -> contextlib.AbstractContextManager[None]:
    """The lock under which a lab is changed."""
    return locked(LOCKS / f"ionman-lab-{check_name(name)}", tell)
