"""Machines in a router's description: what is rendered for them, and every fault with its place."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import certificate
from ionman.router import check, node
from ionman.routers.check_machines import authorities, ending
from ionman.routers.files import look, look_closer
from tests.crossbar import free_port
from tests.unit.test_router import CASES, SALT, changed

CA = "/etc/ionman/machines.pem"
PUMP = {"name": "pump", "certificate": "Pump7.plant.example.org", "role": "auditor"}


def described(at: str, value: Any) -> dict[str, Any]:
    """The description of the cases with a listener for machines and one of them, and with one change."""
    router = changed("machines", {"ca": CA})
    router["realms"][0]["users"].append(dict(PUMP))
    return changed(at, value, router)


@pytest.mark.parametrize("case", yaml.safe_load((CASES / "machines.yml").read_text()), ids=lambda case: case["says"])
def test_a_fault_is_named_with_its_place(case: dict[str, Any]) -> None:
    problems = [str(problem) for problem in check(described(case["at"], case["value"]))]
    assert any(problem.startswith(case["says"]) for problem in problems), problems


def test_machines_have_a_listener_of_their_own_and_no_other_way_in() -> None:
    router = described("max_connections", 77)
    machines, web, _ = node(router, SALT)["workers"][0]["transports"]
    assert machines["endpoint"] == web["endpoint"] | {
        "port": 8444,
        "tls": web["endpoint"]["tls"] | {"ca_certificates": [CA]},
    }
    principal = {"certificate": "pump7.plant.example.org", "realm": "ionman", "role": "auditor"}
    assert machines["auth"] == {"tls": {"type": "static", "principals": {"pump": principal}}}
    assert "pump" not in str(web)
    at_ws = web["paths"]["ws"]
    assert machines["options"] == at_ws["options"] | {"allowed_origins": []}
    assert (machines["serializers"], machines["max_connections"]) == (at_ws["serializers"], 77)


def test_without_them_nothing_is_there() -> None:
    before = node(changed("port", 8443), SALT)
    assert node(changed("machines", {}), SALT) == before
    assert len(before["workers"][0]["transports"]) == 2


def test_a_role_of_two_realms_is_the_one_of_the_machines_realm() -> None:
    router = described("machines", {"ca": CA, "port": 9000})
    router["realms"][1]["users"].append({"name": "fan", "certificate": "fan", "role": "client"})
    principals = node(router, SALT)["workers"][0]["transports"][0]["auth"]["tls"]["principals"]
    assert principals["fan"] == {"certificate": "fan", "realm": "other", "role": "client_other"}


def test_authorities_that_let_nobody_in() -> None:
    now = datetime.now(UTC)
    good = certificate.authority("good")
    old = certificate.authority("old", days=2, now=now - timedelta(days=3))
    leaf = certificate.leaf(good, ["leaf"])

    def said(*parts: bytes) -> list[str]:
        return [f"{problem.path}: {problem.message}" for problem in authorities(b"".join(parts))]

    assert said(good.certificate) == []
    assert said(old.certificate) == [f"machines.ca: CN=old expired on {now - timedelta(days=1):%F}"]
    assert said(old.certificate, good.certificate) == []
    assert len([*ending(old.certificate + good.certificate, 14)]) == 1
    assert said(leaf.certificate) == ["machines.ca: CN=leaf may not sign others", "machines.ca: it holds no root"]
    assert said(b"none") == ["machines.ca: the file is no PEM certificate"]


def test_the_files_and_the_port_are_looked_at(tmp_path: Path) -> None:
    server = certificate.leaf(certificate.authority(), ["localhost"])
    ca, names = tmp_path / "machines.pem", {"certificate": tmp_path / "leaf.pem", "key": tmp_path / "leaf.key"}
    names["certificate"].write_bytes(server.certificate)
    names["key"].touch(0o600)
    names["key"].write_bytes(server.key)
    router: dict[str, Any] = {key: str(path) for key, path in names.items()}
    router |= {"address": "127.0.0.1", "port": free_port(), "realms": []}
    with socket.create_server(("127.0.0.1", 0)) as other:
        router |= {"machines": {"ca": str(ca), "port": other.getsockname()[1]}}
        assert [str(one) for one in look(router)] == [
            f"machines.ca: {ca} cannot be read: No such file or directory; look at its name and its mode"
        ]
        ca.write_bytes(server.certificate)
        assert [one.path for one in look(router)] == ["machines.ca"] * 2
        ca.write_bytes(certificate.authority(days=2).certificate)
        assert look(router) == []
        ending, taken = look_closer(router, "nobody")
    assert str(ending).startswith("machines.ca: CN=ionman ends in 1 days")
    assert str(taken).startswith(f"machines.port: {router['machines']['port']} is taken already, by ")
