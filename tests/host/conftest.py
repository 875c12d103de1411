"""A host in a temporary folder: a real svscan, and releases whose twistd is a small stand-in."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from ionman import certificate, process
from ionman.hosts import record, supervisor
from ionman.hosts.converge import converge, remove
from ionman.hosts.layout import Layout
from ionman.hosts.outcome import Asked, Outcome
from ionman.hosts.rollback import USUAL, Way, rollback
from ionman.hosts.state import read
from tests.crossbar import free_port
from tests.host import leftovers

FAKE = Path(__file__).with_name("fake_twistd.py")
SVSCAN: tuple[str | Path, ...] = ("svscan",)
HURRIED: tuple[str | Path, ...] = (sys.executable, "-S", Path(__file__).with_name("scan.py"))
FAKE_CROSSBAR = Path(__file__).with_name("fake_crossbar.py")


def user(realm: str) -> dict[str, str]:
    """A user of `realm`: alice in the first."""
    name = "alice" if realm != "other" else "bob"
    return {"name": name, "password": f"{name}-password", "role": "client"}


def _version(ran: dict[str, object] | None) -> str:
    return f"{ran['version']} x{ran['instances']}" if ran else ""


@dataclass
class Host:
    """One host, and what it said."""

    layout: Layout
    lines: list[str] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def release(self, version: str, app: str = "demo", build: str = "{}") -> None:
        place = self.layout.release(app, version)
        (place / "venv/bin").mkdir(parents=True)
        (place / "app").mkdir()
        (place / "app/demo.py").touch()
        (place / "build.json").write_text(build)
        shutil.copy(FAKE, place / "venv/bin/twistd")
        (place / "venv/bin/twistd").chmod(0o755)

    def document(
        self,
        version: str = "1.0.0",
        instances: int = 1,
        ready_timeout: float = 30,
        how: Mapping[str, object] = MappingProxyType({}),
        **config: object,
    ) -> str:
        service = {
            **how,
            "name": "demo",
            "version": version,
            "instances": instances,
            "config": {
                **{"realm": "ionman", "user": "demo", "password": "myservicepassword", "routers": "localhost:8443"},
                **config,
            },
            "ready_timeout": ready_timeout,
        }
        return json.dumps({"services": [service]})

    def crossbar(self, binary: Path = FAKE_CROSSBAR, version: str = "26.10.1") -> None:
        place = self.layout.release("crossbar", version) / "venv/bin"
        place.mkdir(parents=True)
        (place / "crossbar").symlink_to(binary)

    @property
    def certificate(self) -> Path:
        """The router's certificate; its key lies beside it."""
        return self.layout.root / "etc/ionman/tls/router.pem"

    def certify(self) -> None:
        """Make a new certificate."""
        pair = certificate.leaf(certificate.authority(), ["localhost", "127.0.0.1"])
        self.certificate.parent.mkdir(parents=True, exist_ok=True)
        self.certificate.write_bytes(pair.certificate)
        self.certificate.with_suffix(".key").write_bytes(pair.key)

    def router(self, *realms: str, version: str = "26.10.1", ready_timeout: float = 30, **rolling: object) -> str:
        described = [{"name": name, "roles": [{"name": "client"}], "users": [user(name)]} for name in realms]
        router = {
            "version": version,
            "address": "127.0.0.1",
            "port": self.port,
            "certificate": str(self.certificate),
            "key": str(self.certificate.with_suffix(".key")),
            "realms": described,
            "ready_timeout": ready_timeout,
            "rolling": {"allow_outage": True, "drain_timeout": 5} | rolling,
        }
        return json.dumps({"router": router})

    def apply(self, document: str, *, check: bool = False) -> Outcome:
        self.lines.clear()
        return converge(read(document), self.layout, check=check, wait=20, say=self.lines.append)

    def remove(self, *names: str, allow_gap: bool = False) -> Outcome:
        self.lines.clear()
        return remove(names, self.layout, Asked(self.lines.append, wait=20, allow_gap=allow_gap))

    @property
    def programs(self) -> list[str]:
        return supervisor.installed(self.layout)

    def rollback(self, name: str = "demo", way: Way = USUAL) -> Outcome:
        self.lines.clear()
        return rollback(name, self.layout, Asked(self.lines.append, wait=20), way)

    def history(self) -> list[tuple[str, str, str, str]]:
        """What, from which version to which, with which result."""
        found = record.history(self.layout)
        return [(row["what"], _version(row["from"]), _version(row["to"]), row["result"]) for row in found]

    def marks(self) -> dict[str, str]:
        """Generation -> good or failed."""
        return {name: one.mark for name, one in record.memory_of(self.layout, "demo").records.items()}

    def versions(self) -> list[str]:
        """The versions of all programs."""
        return [str(supervisor.about(self.layout, name)["version"]) for name in self.programs]

    def pids(self) -> dict[str, int]:
        return {name: one.pid for name, one in supervisor.status(self.layout, self.programs).items()}

    def stop(self) -> None:
        """End what is left."""
        leftovers.end(self.layout)


@pytest.fixture(scope="session", autouse=True)
def clean() -> None:
    """End what an earlier run has left, and have what this one leaves ended when it is killed."""
    leftovers.sweep()
    process.launch([sys.executable, "-m", "tests.host.leftovers", str(os.getpid())], cwd=Path(__file__).parents[2])


class Hosts:
    """Hosts, each with an svscan of its own, ended together."""

    def __init__(self, scanner: Sequence[str | Path] = SVSCAN) -> None:
        self._scanner = scanner
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def another(self, layout: type[Layout] = Layout, under: str | None = None, before: Sequence[str] = ()) -> Host:
        """A host with demo 1.0.0 and 1.1.0 installed."""
        root = leftovers.folder(under)
        root.chmod(0o755)
        one = Host(layout(root))
        one.layout.scanned.mkdir(parents=True)
        for version in ("1.0.0", "1.1.0"):
            one.release(version)
        self._running[str(root)] = process.start([*before, *self._scanner, one.layout.scanned], die_with_parent=True)
        return one

    def kill_scanner(self, host: Host) -> None:
        """End svscan; the supervisors that it started go on."""
        scanner = self._running[str(host.layout.root)]
        scanner.kill()
        scanner.wait()

    def end(self, host: Host) -> None:
        """End everything of `host`."""
        self.kill_scanner(host)
        del self._running[str(host.layout.root)]
        host.stop()
        shutil.rmtree(host.layout.root)

    def end_all(self) -> None:
        for root in list(self._running):
            self.end(Host(Layout(Path(root))))


@pytest.fixture
def hosts(request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """Hosts with an svscan each; a module that says ``SCANNER = HURRIED`` has one that looks more often."""
    some = Hosts(getattr(request.module, "SCANNER", SVSCAN))
    yield some
    some.end_all()


@pytest.fixture
def host(hosts: Hosts) -> Host:
    return hosts.another()


@pytest.fixture
def ionman() -> Path:
    """The command of this checkout."""
    return Path(sys.executable).with_name("ionman")
