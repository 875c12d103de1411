"""The single-machine form: a router and services on loopback, under svscan, as the calling user.

It lies in a folder of its own and uses the same `ionman host apply` as a host does, with that folder as its root.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionman import certificate, control, process
from ionman.call import Account, Client
from ionman.demo import answers
from ionman.demo.report import Report, Tell, ini
from ionman.errors import CommandFailed, NotPossible
from ionman.files import folder, write
from ionman.hosts import supervisor
from ionman.hosts.converge import converge
from ionman.hosts.layout import Layout
from ionman.hosts.state import read
from ionman.plays.playbook import TREE

APP, VERSION, CROSSBAR, REALM = "demo", "1.0.0", "26.10.1", "ionman"
URI, ARGV = "app.demo.method1", {"dummy": "none required"}
INSTANCES = 3
DEVELOPER = "developer"
TOOLS = ("svscan", "supervise", "svc", "svok", "svstat", "multilog")


def home() -> Path:
    """Where the single-machine form lies: XDG base directory specification, state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "ionman/local"


@dataclass(frozen=True)
class Local:
    """The single-machine form below `root`."""

    root: Path
    tell: Tell

    @property
    def layout(self) -> Layout:
        """As a host's, below the root."""
        return Layout(self.root, Path(sys.executable))

    def up(self) -> Report:
        """Bring it up, or finish what an earlier run began."""
        folder(self.root, mode=0o700)
        self._tools()
        report = Report(hints=self._hints())
        self._place()
        report.changed |= self._certificates()
        report.changed |= self._svscan()
        port = self._port()
        for section in (self._router(port), self._services(port)):
            outcome = converge(read(json.dumps(section)), self.layout, check=False, wait=60, say=self.tell)
            report.changed |= outcome.changed
        self._tell_all(report, port)
        return report

    def down(self) -> bool:
        """End what runs and remove the folder; True when there was something."""
        if not self.root.exists():
            return False
        self._tools()
        names = [path.name for path in self.layout.programs.glob("[!.]*")]
        supervisor.drain(self.layout, dict.fromkeys(names, 10.0))
        supervisor.remove(self.layout, names)
        if pid := self._svscan_pid():
            os.kill(pid, signal.SIGTERM)
        while self._svscan_pid():
            time.sleep(0.1)
        shutil.rmtree(self.root)
        return True

    # --- what it needs ------------------------------------------------------------------------------------------

    def _tools(self) -> None:
        """daemontools on PATH: the system's, else unpacked from Debian's package into the root."""
        own = self.root / "tools/usr/bin"
        os.environ["PATH"] = f"{os.environ['PATH']}:{own}"
        if all(shutil.which(tool) for tool in TOOLS):
            return
        self.tell("daemontools is not installed: fetching Debian's package for this user")
        folder(own.parent.parent)
        try:
            process.run(["apt-get", "download", "daemontools"], cwd=own.parent.parent)
            package = next(own.parent.parent.glob("daemontools_*.deb"))
            process.run(["dpkg-deb", "-x", package, own.parent.parent])
        except (CommandFailed, StopIteration) as error:
            raise NotPossible(f"daemontools cannot be had: {error}", remedy="apt-get install daemontools") from error

    def _place(self) -> None:
        """Stand the environments of this checkout where packages would have put them."""
        release = self.layout.release(APP, VERSION)
        folder(release)
        _link(release / "venv", Path(sys.prefix))
        _link(release / "app", TREE / "examples" / APP)
        declared = json.loads(process.run([sys.executable, "-m", "ionman.runtime.declare", _shell()]).stdout)
        build = {"app": APP, "version": VERSION, **declared}
        write(release / "build.json", json.dumps(build, indent=2, sort_keys=True) + "\n")
        router = self.layout.release("crossbar", CROSSBAR)
        folder(router)
        _link(router / "venv", TREE / "build/crossbar")

    def _certificates(self) -> bool:
        """An own authority and a leaf for loopback; True when one was made."""
        folder(self.root / "etc/ionman/tls", mode=0o700)
        authority = self._pair("ca", lambda: certificate.authority("ionman local"))
        names = ["localhost", "127.0.0.1"]
        leaf = self.root / "etc/ionman/tls/router.pem"
        stale = leaf.exists() and certificate.needs_renewal(leaf.read_bytes(), names)
        if stale:
            leaf.unlink()
        made = not leaf.exists()
        self._pair("router", lambda: certificate.leaf(authority, names))
        write(self.layout.ca, authority.certificate.decode())
        return made

    def _pair(self, name: str, make: Any) -> certificate.Pair:
        pem, key = (self.root / f"etc/ionman/tls/{name}{end}" for end in (".pem", ".key"))
        if not (pem.exists() and key.exists()):
            pair: certificate.Pair = make()
            write(key, pair.key.decode(), mode=0o600)
            write(pem, pair.certificate.decode())
        return certificate.Pair(pem.read_bytes(), key.read_bytes())

    def _svscan_pid(self) -> int:
        """The svscan of this root; 0 when it does not run. A recycled pid is not ours."""
        record = self.root / "svscan.pid"
        pid = int(record.read_text() or 0) if record.exists() else 0
        with suppress(FileNotFoundError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if pid and str(self.layout.scanned).encode() in words:
                return pid
        return 0

    def _svscan(self) -> bool:
        """Have svscan running; True when it had to be started."""
        folder(self.layout.scanned)
        if self._svscan_pid():
            return False
        self.tell(f"starting svscan on {self.layout.scanned}")
        write(self.root / "svscan.pid", str(process.launch(["svscan", self.layout.scanned], cwd=self.root)))
        return True

    def _port(self) -> int:
        """The router's port: the one it has, else 8443 if it is free, else any."""
        record = self.root / "port"
        if not record.exists():
            write(record, str(_free(8443)))
        return int(record.read_text())

    def secret(self, name: str) -> str:
        """The password of `name`, made on first use."""
        path = self.root / "secrets" / name
        folder(path.parent, mode=0o700)
        if not path.exists():
            write(path, secrets.token_urlsafe(18), mode=0o600)
        return path.read_text()

    # --- what it is to be ---------------------------------------------------------------------------------------

    def _router(self, port: int) -> dict[str, Any]:
        declared = json.loads((self.layout.release(APP, VERSION) / "build.json").read_text())
        client = _role("client", {"app.": ["call", "subscribe"]})
        # For the service that somebody is writing: on loopback, and only here, it may register what it likes.
        everything = ["register", "call", "publish", "subscribe"]
        developer = _role(DEVELOPER, {"app.": everything, "ionman.service.": ["register", "call"]})
        users = [{"name": name, "role": role, "password": self.secret(name)} for name, role in _USERS]
        service = {
            "name": APP,
            "realm": REALM,
            "user": APP,
            "password": self.secret(APP),
            "procedures": declared["procedures"],
            "topics": declared["topics"],
            "calls": ["app."],
        }
        tls = self.root / "etc/ionman/tls"
        return {
            "router": {
                "version": CROSSBAR,
                "address": "127.0.0.1",
                "port": port,
                "certificate": str(tls / "router.pem"),
                "key": str(tls / "router.key"),
                "realms": [{"name": REALM, "roles": [client, developer], "users": users}],
                "services": [service],
            }
        }

    def _services(self, port: int) -> dict[str, Any]:
        config = {
            "realm": REALM,
            "user": APP,
            "routers": f"localhost:{port}",
            "ca": str(self.layout.ca),
            "title": "Demo Microservice",
        }
        service = {"name": APP, "app": APP, "version": VERSION, "file": "demo.py", "instances": INSTANCES}
        return {"services": [{**service, "config": config, "secrets": {"password": self.secret(APP)}}]}

    # --- what it tells ------------------------------------------------------------------------------------------

    def _caller(self, user: str, port: int) -> Client:
        return Client([f"localhost:{port}"], Account(REALM, user, self.secret(user)), ca=self.layout.ca)

    def _tell_all(self, report: Report, port: int) -> None:
        report.add("release", [f"{APP} {VERSION}", f"from {TREE / 'examples' / APP}"])
        report.add("deb", ["not built: it takes a clean root, and so root's rights"])
        report.add("repo", ["not served: nothing was packaged"])
        report.add("host", ["this machine", f"as the calling user, below {self.root}"])
        leaf = (self.root / "etc/ionman/tls/router.pem").read_bytes()
        url = f"wss://localhost:{port}/ws"
        report.add("router", [url, f"realm {REALM}", f"certificate {certificate.fingerprint(leaf)}"])
        programs = sorted(self.layout.programs.glob(f"{APP}.*"))
        pids = [f"{path.name} pid {control.ask(self.layout.control(path.name))['pid']}" for path in programs]
        report.add("service", pids)
        with self._caller("alice", port) as alice, self._caller("ops", port) as ops:
            answered, answer = answers.until_all(alice, ops, APP, URI, ARGV)
        for user, name in (("alice", "call"), (DEVELOPER, "service")):
            write(self.root / f"{name}.ini", ini(REALM, user, port, self.secret(user), self.layout.ca), mode=0o600)
        report.add("call", [URI, json.dumps(answer), f"answered by {', '.join(sorted(answered))}"])

    def _hints(self) -> list[str]:
        command = Path(sys.executable).with_name("ionman")
        state = os.environ.get("XDG_STATE_HOME")
        home = f"XDG_STATE_HOME={state} " if state else ""
        return [
            f"  look around   {command} host status --root {self.root}",
            f"  call          {command} call --config {self.root}/call.ini {URI}",
            f"  your service  cp {self.root}/service.ini config.ini, beside its file: it may register app.*",
            f"  take it down  {home}{command} demo --local --down",
        ]


_USERS = (("alice", "client"), ("ops", "ops"), (DEVELOPER, DEVELOPER))


def _role(name: str, rights: dict[str, list[str]]) -> dict[str, Any]:
    """A role of the inventory with `rights` below prefixes of URIs."""
    return {"name": name, "permissions": [{"uri": uri, "match": "prefix", "allow": rights[uri]} for uri in rights]}


def _shell() -> Path:
    return TREE / "examples" / APP / f"{APP}.py"


def _link(path: Path, target: Path) -> None:
    """Have the symbolic link `path` lead to `target`."""
    if path.is_symlink() and path.readlink() == target:
        return
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _free(preferred: int) -> int:
    """`preferred` if nobody listens on it on loopback, else any free port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
