"""What is supervised, and what a supervisor says of it; the same for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

QUICK = 10  # s: a program that ends sooner has failed to start
LONGEST = 30  # s between two starts of a program that fails
PRIVATE = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - each program gets its own, empty
PRIVATE_OPTIONS = "size=16m,mode=1777,nosuid,nodev,noexec"  # of the file system there, mount(8)


@dataclass(frozen=True)
class Program:
    """What runs: `command` in `directory` as `user`, who may write below `writable` only.

    `about` is kept beside it, for those who ask what it is; `memory` is in MB, `drain_timeout` in seconds.
    `supervisor` is one of `ionman.hosts.supervisor.NAMES`. With `notify` the program tells its supervisor when it is
    ready, sd_notify(3). A `gentle` one gets less of the processors than others until `supervisor.normal_priority`.
    `rights` are the capabilities that a program of root's keeps, capabilities(7) without `CAP_`; all others have none.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    user: str | None
    writable: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    open_files: int = 4096
    memory: int = 512
    drain_timeout: int = 30
    about: Mapping[str, Any] = field(default_factory=dict)
    supervisor: str = "svc"
    notify: bool = False
    gentle: bool = False
    rights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """What a supervisor says: whether it has the program, whether that is up and for how many seconds, its process.

    A program that waits for its next start is up, with another process or none (0).
    """

    supervised: bool
    up: bool = False
    pid: int = 0
    seconds: int = 0
