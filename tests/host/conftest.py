"""A host in a temporary folder: a real svscan, and releases whose twistd is a small stand-in."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ionman import process, supervisor
from ionman.converge import Outcome, converge
from ionman.layout import Layout
from ionman.state import read

FAKE = Path(__file__).with_name("fake_twistd.py")


@dataclass
class Host:
    """One host, and what it said."""

    layout: Layout
    lines: list[str] = field(default_factory=list)

    def release(self, version: str, app: str = "demo", build: str = "{}") -> None:
        place = self.layout.release(app, version)
        (place / "venv/bin").mkdir(parents=True)
        (place / "app").mkdir()
        (place / "app/demo.py").touch()
        (place / "build.json").write_text(build)
        shutil.copy(FAKE, place / "venv/bin/twistd")
        (place / "venv/bin/twistd").chmod(0o755)

    def document(self, version: str = "1.0.0", instances: int = 1, ready_timeout: float = 30, **config: object) -> str:
        service = {
            "name": "demo",
            "version": version,
            "instances": instances,
            "config": {"realm": "ionman", "password": "myservicepassword", **config},
            "ready_timeout": ready_timeout,
        }
        return json.dumps({"services": [service]})

    def apply(self, document: str, *, check: bool = False) -> Outcome:
        self.lines.clear()
        return converge(read(document), self.layout, check=check, wait=20, say=self.lines.append)

    @property
    def programs(self) -> list[str]:
        return supervisor.installed(self.layout)

    def pids(self) -> dict[str, int]:
        return {name: one.pid for name, one in supervisor.status(self.layout, self.programs).items()}

    def stop(self) -> None:
        """End what is left, by the processes that have a file of this host open or in their command."""
        for name in self.programs:
            for place in (self.layout.program(name), self.layout.program(name) / "log"):
                process.run(["svc", "-dx", place], check=False)
                process.run(["svc", "-k", place], check=False)
        for pid in processes(self.layout.root):
            os.kill(pid, signal.SIGKILL)


def processes(root: Path) -> list[int]:
    """The processes that work below `root`."""
    found = []
    for proc in Path("/proc").iterdir():
        if not proc.name.isdigit() or int(proc.name) == os.getpid():
            continue
        try:
            where = (proc / "cwd").readlink()
            command = (proc / "cmdline").read_bytes().decode()
        except OSError:  # it has ended meanwhile
            continue
        if where.is_relative_to(root) or f"{root}/" in command:
            found.append(int(proc.name))
    return found


@pytest.fixture
def root() -> Iterator[Path]:
    """A short folder: a socket's path has 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="ih") as name:
        yield Path(name)


@pytest.fixture
def host(root: Path) -> Iterator[Host]:
    """A host with demo 1.0.0 and 1.1.0 installed."""
    one = Host(Layout(root))
    one.layout.scanned.mkdir(parents=True)
    for version in ("1.0.0", "1.1.0"):
        one.release(version)
    scanner = process.start(["svscan", one.layout.scanned], die_with_parent=True)
    try:
        yield one
    finally:
        scanner.kill()
        scanner.wait()
        one.stop()
