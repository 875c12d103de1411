"""Machines in a router's section of the desired state: what an apply refuses, who is in after it, and who is not."""

import json
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from ionman import certificate
from ionman.call import connect
from ionman.errors import InputError, Refused
from tests.crossbar import CROSSBAR, free_port
from tests.host.conftest import Host
from tests.router.machines import AUTHORITY, PAIRS, write


def section(host: Host, port: int, ca: Path, users: Sequence[str]) -> str:
    document = json.loads(host.router("ionman", ready_timeout=60))
    document["router"]["machines"] = {"ca": str(ca), "port": port}
    document["router"]["realms"][0]["users"] += [
        {"name": user, "certificate": user, "role": "client"} for user in users
    ]
    return json.dumps(document)


def enter(host: Host, port: int, user: str) -> None:
    root = host.layout.root
    connect([f"localhost:{port}"], user=user, certificate=root / f"{user}.pem", ca=root / "ca.pem", deadline=20).close()


def test_who_is_taken_out_of_the_inventory_is_out_after_the_apply(host: Host) -> None:
    host.crossbar(CROSSBAR)
    host.certify()  # and by an authority that callers can trust:
    ca, port = host.layout.root / "machines.pem", free_port()
    authority = certificate.authority()
    pair = certificate.leaf(authority, ["localhost", "127.0.0.1"])
    (host.layout.root / "ca.pem").write_bytes(authority.certificate)
    host.certificate.write_bytes(pair.certificate)
    host.certificate.with_suffix(".key").write_bytes(pair.key)
    write(host.layout.root, {name: PAIRS[name] for name in ("valve", "far")})
    with pytest.raises(InputError, match=r"router\.machines\.ca: .* cannot be read: No such file"):
        host.apply(section(host, port, ca, ["valve", "far"]))
    ca.write_bytes(AUTHORITY.certificate)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(InputError, match=rf"machines.port: {port} is in use"),
    ):
        host.apply(section(host, port, ca, ["valve", "far"]))
    assert host.programs == []

    assert host.apply(section(host, port, ca, ["valve", "far"])).changed
    assert not host.apply(section(host, port, ca, ["valve", "far"])).changed
    enter(host, port, "valve")
    enter(host, port, "far")

    assert host.apply(section(host, port, ca, ["valve"])).changed
    enter(host, port, "valve")
    with pytest.raises(Refused, match="made out for far, and not for far of the realm ionman"):
        enter(host, port, "far")
