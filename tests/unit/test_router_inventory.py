"""A router of the inventory is checked by the names of the inventory's variables."""

from typing import Any

import pytest

from ionman.routers import inventory

CLIENT = {"name": "client", "permissions": [{"uri": "app.", "match": "prefix", "allow": ["call"]}]}
ALICE = {"name": "alice", "password": "alice-password", "role": "client"}
DEMO = {
    "name": "demo",
    "version": "1.0.0",
    "config": {"realm": "ionman", "user": "demo"},
    "secrets": {"password": "demo-password"},
}


def state(**changes: Any) -> dict[str, Any]:
    made = {"version": "26.10.1", "address": "0.0.0.0", "port": 8443, "certificate": "/c.pem", "key": "/k.pem"}
    realms = [{"name": "ionman", "roles": [CLIENT], "users": [ALICE]}]
    return {**made, "realms": realms, "services": [DEMO], "users": {}, "rolling": {}, **changes}


def test_what_only_the_package_declares_is_no_fault() -> None:
    assert inventory.faults(state()) == []
    assert inventory.doubts(state()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"port": 0}, "router_port: "),
        ({"certificate": "c.pem"}, "router_certificate: 'c.pem' is no absolute path"),
        (
            {"realms": [{"name": "ionman", "roles": [], "users": [ALICE]}]},
            "router_realms[0].users[0].role: there is no",
        ),
        (
            {"services": [{**DEMO, "config": {"realm": "x", "user": "demo"}}]},
            "service_list[0].config.realm: there is no",
        ),
        ({"services": [{**DEMO, "secrets": {"password": "CHANGEME"}}]}, "service_list[0].secrets.password: "),
        ({"services": [{**DEMO, "secrets": {}, "public_key": "D75A"}]}, "service_list[0].public_key: is no public key"),
        ({"services": [{**DEMO, "procedures": [], "topics": []}]}, "service_list[0].procedures: declares none"),
        ({"services": [{**DEMO, "calls": ["app"]}]}, "service_list[0].calls[0]: 'app' is no prefix"),
        ({"services": ["demo"]}, "service_list[0]: "),
        ({"links": {"name": "a", "secret": "short", "ca": "/ca.pem", "peers": []}}, "router_link_secret: is shorter"),
        (
            {
                "links": {
                    "name": "a",
                    "secret": "s" * 40,
                    "ca": "/ca.pem",
                    "peers": [{"name": "a", "address": "b:8443"}],
                }
            },
            "router_peers[0].name: a is this router itself",
        ),
        ({"users": {"database": 3}}, "router_users.database: "),
    ],
)
def test_each_fault_has_its_place_in_the_inventory(changes: dict[str, Any], said: str) -> None:
    (found,) = inventory.faults(state(**changes))
    assert found.startswith(said)


def test_a_doubt_has_its_place_too() -> None:
    twice = {**CLIENT, "permissions": [*CLIENT["permissions"], {"uri": "app.get", "allow": ["call"]}]}
    found = state(realms=[{"name": "ionman", "roles": [twice], "users": [ALICE]}])
    assert inventory.faults(found) == []
    (said,) = inventory.doubts(found)
    assert said.startswith("router_realms[0].roles[0].permissions[1].allow: to call app.get (exact) is allowed already")
