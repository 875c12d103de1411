"""Where a service's own files are, which release it is, and the lock that lets an instance run once only."""

import fcntl
import hashlib
import json
import os
import tempfile
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionman.errors import ConfigurationError, Late, NotPossible
from ionman.settings import Settings

SOCKET_PATH_BYTES = 107  # sun_path of unix(7) holds 108 with its final NUL


@dataclass(frozen=True)
class Release:
    """What runs: the application's version, and the release it was built from as far as that is known."""

    version: str = ""
    release: str = ""


def release(folder: Path) -> Release:
    """Read `build.json` beside the installed tree, else `pyproject.toml` of the tree the author works in."""
    with suppress(OSError, ValueError, AttributeError, TypeError):
        build: dict[str, Any] = json.loads((folder.parent / "build.json").read_text("utf-8"))
        return Release(str(build["version"]), str(build.get("release", {}).get("tag", "")))
    with suppress(OSError, ValueError, KeyError, TypeError):
        return Release(str(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]["version"]))
    return Release()


def run_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder for sockets and locks of services started by hand, made for this user alone."""
    base = environ.get("XDG_RUNTIME_DIR", "")
    folder = Path(base) / "ionman" if base and Path(base).is_dir() else Path(tempfile.gettempdir()) / _private()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NotPossible(f"{folder} cannot be made: {error.strerror}", remedy="set control in config.ini") from error
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or folder.is_symlink():
        raise NotPossible(f"{folder} is not this user's alone", remedy="remove it, or set control in config.ini")
    return folder


def _private() -> str:
    return f"ionman-{os.getuid()}"


def control_path(settings: Settings, environ: Mapping[str, str], *, background: bool, pid: int) -> Path:
    """Return where the control socket is: IONMAN_CONTROL, else `control`, else in the user's run folder.

    Started in the background there is one instance of a configuration, in the foreground as many as one likes.
    """
    named = environ.get("IONMAN_CONTROL") or settings.control
    if named:
        path = Path(named)
    else:
        digest = hashlib.sha256(os.fsencode(settings.path.resolve())).hexdigest()[:12]
        path = run_folder(environ) / f"{settings.service}-{digest}{'' if background else f'-{pid}'}.sock"
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise ConfigurationError(
            f"{path}: a socket's path may have {SOCKET_PATH_BYTES} bytes", remedy="set control to a shorter path"
        )
    return path


def pidfile(settings: Settings) -> Path:
    """Return the pid file of the instance in the background."""
    return settings.pidfile or settings.path.parent / f"{settings.service}.pid"


class Lock:
    """A lock file beside the control socket: held as long as the process (or what it forked) lives, whatever kills it.

    The holder's process id is in the file, so that it is right whenever the lock is held.
    """

    def __init__(self, control: Path) -> None:
        self.path = control.with_name(f"{control.name}.lock")
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock; raises `Late` when another process has it."""
        while True:
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ConfigurationError(
                    f"{self.path} cannot be written: {error.strerror}",
                    remedy="set control (or IONMAN_CONTROL) to a place that the service's user may write",
                ) from error
            self._lock()
            # The last holder may have removed the file between our open and our lock.
            with suppress(FileNotFoundError):
                if self.path.stat().st_ino == os.fstat(self._descriptor).st_ino:
                    return
            os.close(self._descriptor)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = self._peek()
            os.close(self._descriptor)
            raise Late(
                f"this instance runs already{f' as process {pid}' if pid else ''} ({self.path})",
                remedy="stop that one first",
            ) from error

    def sign(self) -> None:
        """Write this process's id into the file."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back, and its file; once, for the file may be another's by the second time."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self.path.unlink(missing_ok=True)
            os.close(descriptor)

    def holder(self, patience: float = 1.0) -> int | None:
        """Return the process id of who holds the lock, None if nobody does; one that just starts gets `patience` s."""
        deadline = time.monotonic() + patience
        while self._held():
            if pid := self._peek():
                return pid
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        return None

    def _held(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _peek(self) -> int:
        try:
            return int(self.path.read_text("ascii"))
        except (OSError, ValueError):
            return 0
