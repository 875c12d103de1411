"""A real Crossbar on a loopback port of its own, with TLS from an authority made for the test.

`Crossbar(directory)` describes the realm that the tests share; change `.description` (realms, services) before
`.start()`, and only on a router of the test's own.
"""

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionman import certificate, process, router
from ionman.call import Account, Client
from ionman.errors import WampError
from ionman.files import write

CROSSBAR = Path(__file__).parents[1] / "build" / "crossbar" / "bin" / "crossbar"
SALT = b"a salt secret for tests only"
BOOT_SECONDS = 60.0  # a cold start takes 4 to 7 s; six test runs on two cores take longer

# user -> password, for every user of the shared realm
PASSWORDS = {
    "myserviceusername": "myservicepassword",
    "alice": "alice-password",
    "bob": "bob-password",
    "ops": "ops-password",
}


def shared_realm() -> dict[str, Any]:
    """The realm `ionman`: the seed's service user, which may register anything below `app.`, two clients, and ops."""
    service = [
        {"uri": "app.", "match": "prefix", "allow": ["register", "call", "publish", "subscribe"]},
        {"uri": "ionman.service.", "match": "prefix", "allow": ["register", "call"]},
    ]
    client = [{"uri": "app.", "match": "prefix", "allow": ["call", "publish", "subscribe"]}]
    roles = {"myserviceusername": "service_demo", "ops": "ops"}
    return {
        "name": "ionman",
        "roles": [{"name": "service_demo", "permissions": service}, {"name": "client", "permissions": client}],
        "users": [
            {"name": name, "password": password, "role": roles.get(name, "client")}
            for name, password in PASSWORDS.items()
        ],
    }


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Crossbar:
    """One router: `host` and `port` to reach it, `ca` (a path) to trust it, `users` (name -> password) to log in."""

    directory: Path
    host: str = "localhost"
    port: int = field(default_factory=free_port)
    users: Mapping[str, str] = field(default_factory=lambda: dict(PASSWORDS))
    realm: str = "ionman"
    authority: certificate.Pair = field(default_factory=certificate.authority)
    description: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def door(self) -> Path:
        """Its socket for its own host."""
        return self.directory / "door.sock"

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / "ca.pem"
        self.ca.write_bytes(self.authority.certificate)
        pair = certificate.leaf(self.authority, ["localhost", "127.0.0.1"])
        (self.directory / "leaf.pem").write_bytes(pair.certificate)
        (self.directory / "leaf.key").write_bytes(pair.key)
        self.description = {
            "address": "127.0.0.1",
            "port": self.port,
            "certificate": str(self.directory / "leaf.pem"),
            "key": str(self.directory / "leaf.key"),
            "realms": [shared_realm()],
            "services": [],
        } | self.description

    @property
    def address(self) -> str:
        """`host:port`, as configurations name a router."""
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the router wrote."""
        return self.directory / "node.log"

    def write(self) -> Path:
        """Write the router's files and return the path of the node's configuration."""
        for name, text in router.files(self.description, SALT, router.Place(self.directory, self.door)).items():
            write(self.directory / name, text)
        return self.directory / router.CONFIGURATION

    def start(self) -> "Crossbar":
        """Start the router and wait until it answers."""
        config = self.write()
        command: list[str | Path] = [
            CROSSBAR,
            "start",
            "--cbdir",
            self.directory,
            "--config",
            config,
            "--loglevel",
            "info",
        ]
        with self.log.open("ab") as log:
            self.process = process.start(command, stdout=log, die_with_parent=True)
        deadline = time.monotonic() + BOOT_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log.read_text(errors="replace")[-4000:]
                self.kill()
                raise AssertionError(f"the router did not start:\n{text}")
            time.sleep(0.1)
        return self

    def answers(self) -> bool:
        """Whether the WebSocket path is there: Crossbar listens first and adds its paths after that, `ws` last."""
        context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(f"https://localhost:{self.port}/ws", timeout=5, context=context):
                return True
        except urllib.error.HTTPError as error:
            with error:  # 404 is the static page's answer, anything else comes from the WebSocket path
                return error.code != 404
        except OSError:
            return False

    def stop(self) -> None:
        """End the router as svc does, with SIGTERM, and wait for it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the router at once; its workers go with it."""
        self._end(signal.SIGKILL)

    def restart(self) -> "Crossbar":
        """Stop and start on the same port."""
        self.stop()
        return self.start()

    def registrations(self) -> dict[str, list[str]]:
        """Every procedure of the realm with the users who registered it, asked through the role ops."""
        found: dict[str, list[str]] = {}
        with self.caller("ops") as ops:
            kinds = ops.call("wamp.registration.list")
            for number in (one for kind in kinds.values() for one in kind):
                with suppress(WampError):  # it has gone since the list was made
                    uri = ops.call("wamp.registration.get", number)["uri"]
                    found[uri] = []
                    for callee in ops.call("wamp.registration.list_callees", number):
                        with suppress(WampError):
                            found[uri].append(ops.call("wamp.session.get", callee)["authid"])
        return found

    def caller(self, user: str, *, deadline: float = 30.0) -> Client:
        """A session of `user`, for several calls."""
        return Client([self.address], Account(self.realm, user, self.users[user]), ca=self.ca, deadline=deadline)

    def call(self, uri: str, argv: Any = None, *, user: str = "alice", deadline: float = 30.0) -> Any:
        """One call by `user`."""
        with self.caller(user, deadline=deadline) as caller:
            return caller.call(uri, *(() if argv is None else (argv,)))

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        with suppress(ProcessLookupError):  # it may have ended by itself
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)  # a session of its own: the controller and its worker
            else:
                self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        self.process = None
        self._wait_until_closed()

    def _wait_until_closed(self) -> None:
        """A worker outlives its controller by a moment, and would answer for a router that has not started yet."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"something still listens on port {self.port}")
