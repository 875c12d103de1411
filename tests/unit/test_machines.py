"""Machines in a router's description: what is rendered for them, and every fault with its place."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from ionman import certificate
from ionman.router import check, node
from ionman.routers.check_machines import authorities
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
    assert said(old.certificate, good.certificate) == [f"machines.ca: CN=old expired on {now - timedelta(days=1):%F}"]
    assert said(leaf.certificate) == ["machines.ca: CN=leaf may not sign others", "machines.ca: it holds no root"]
    assert said(b"none") == ["machines.ca: the file is no PEM certificate"]
