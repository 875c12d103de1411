"""A real ACME server on loopback: Debian's package pebble, with its DNS server, which says that every name is here."""

import json
import shutil
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionman import certificate, process
from tests.crossbar import free_port


@dataclass(frozen=True)
class Server:
    """`directory` is its address, `ca` the authority of its own TLS, `http` the port where it looks for answers."""

    directory: str
    ca: Path
    http: int
    dns: str
    management: int

    def root(self) -> bytes:
        """The authority that its certificates descend from, PEM."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with urllib.request.urlopen(f"https://localhost:{self.management}/roots/0", context=context) as answer:
            found: bytes = answer.read()
            return found

    def hook(self, path: Path) -> Path:
        """A DNS hook that sets the records of its DNS server."""
        path.write_text(
            f"""#!/usr/bin/env python3
import json, sys, urllib.request
verb, name, value = sys.argv[1:]
body = {{"host": name + "."}} | ({{"value": value}} if verb == "add" else {{}})
verb = "set-txt" if verb == "add" else "clear-txt"
urllib.request.urlopen("{self.dns}/" + verb, json.dumps(body).encode())
with open(__file__ + ".log", "a") as log:
    log.write(verb + " " + name + "\\n")
"""
        )
        path.chmod(0o755)
        return path


@contextmanager
def serving(folder: Path, days: int) -> Iterator[Server]:
    """A server that signs for `days`."""
    own = certificate.authority("pebble")
    pair = certificate.leaf(own, ["localhost"])
    for name, content in {"ca.pem": own.certificate, "leaf.pem": pair.certificate, "leaf.key": pair.key}.items():
        (folder / name).write_bytes(content)
    listen, management, http, tls, dns, control = (free_port() for _ in range(6))
    settings: dict[str, Any] = {
        "listenAddress": f"127.0.0.1:{listen}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "leaf.pem"),
        "privateKey": str(folder / "leaf.key"),
        "httpPort": http,
        "tlsPort": tls,
        "certificateValidityPeriod": days * 86400,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    nowhere = [f"-{kind}=" for kind in ("http01", "https01", "tlsalpn01", "defaultIPv6")]
    names = [f"-dns01=127.0.0.1:{dns}", f"-management=127.0.0.1:{control}", "-defaultIPv4=127.0.0.1"]
    programs: list[list[str | Path]] = [
        ["pebble-challtestsrv", *nowhere, *names],
        ["pebble", "-config", folder / "pebble.json", "-dnsserver", f"127.0.0.1:{dns}"],
    ]
    # Without its pauses (0 to 5 s a challenge), and asking each time; it refuses a nonce in twenty, as servers may.
    environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PATH": "/usr/bin:/bin"}
    with (folder / "pebble.log").open("wb") as log:
        running = [process.start(one, env=environment, stdout=log, die_with_parent=True) for one in programs]
    try:
        for port in (control, management, listen):
            _await(port, folder / "pebble.log")
        where = f"http://127.0.0.1:{control}"
        yield Server(f"https://localhost:{listen}/dir", folder / "ca.pem", http, where, management)
    finally:
        for one in running:
            one.kill()
            one.wait()


def _await(port: int, log: Path) -> None:
    assert shutil.which("pebble"), "install the Debian package pebble (make setup)"
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
