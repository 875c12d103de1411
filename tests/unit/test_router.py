"""The router's configuration and the check of its description: pure, by the cases in tests/cases/router."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman.errors import ConfigurationError
from ionman.router import check, node, rights
from ionman.routers.check import deep
from ionman.routers.credential import salt_for, scram
from ionman.routers.permission import Permission, covers, exact, plain, prefix, settle

CASES = Path(__file__).parents[1] / "cases" / "router"
SALT = b"a salt secret for tests only"


def description() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((CASES / "description.yml").read_text())
    return read


def changed(at: str, value: Any, whole: dict[str, Any] | None = None) -> dict[str, Any]:
    """The description with the place `at` (`realms[0].users[1].role`) set to `value`; `~gone` takes it out."""
    whole = whole or description()
    *way, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", at)]
    place: Any = whole
    for part in way:
        place = place[part]
    if value == "~gone":
        del place[last]
    else:
        place[last] = value
    return whole


def rendered(router: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]], dict[str, Any]]:
    """The transport, realm -> role -> permissions by URI (of static roles), and the principals of a node."""
    worker = node(router, SALT)["workers"][0]
    realms = {
        realm["name"]: {
            role["name"]: {entry["uri"]: entry for entry in role.get("permissions", ())} for role in realm["roles"]
        }
        for realm in worker["realms"]
    }
    transport = worker["transports"][0]
    auth = transport["paths"]["ws"]["auth"]
    return transport, realms, auth["scram"]["principals"] | auth.get("cryptosign", {"principals": {}})["principals"]


def actions(entry: dict[str, Any]) -> set[str]:
    return {action for action, allowed in entry["allow"].items() if allowed}


def test_the_description_of_the_cases_is_accepted() -> None:
    assert check(description()) == []


@pytest.mark.parametrize(
    "case", yaml.safe_load((CASES / "problems.yml").read_text()), ids=lambda case: case["says"][:60]
)
def test_a_fault_is_named_with_its_place(case: dict[str, Any]) -> None:
    router = changed(case["at"], case["value"])
    problems = [str(problem) for problem in check(router)]
    assert any(problem.startswith(case["says"]) for problem in problems), problems
    with pytest.raises(ConfigurationError, match=re.escape(case["says"])):
        node(router, SALT)


@pytest.mark.parametrize("case", yaml.safe_load((CASES / "doubts.yml").read_text()), ids=lambda case: case["says"][:60])
def test_what_is_probably_not_meant_is_named_and_accepted(case: dict[str, Any]) -> None:
    router = changed(case["at"], case["value"])
    assert check(router) == []
    problems = [str(problem) for problem in deep(router)]
    assert [problem[: len(case["says"])] for problem in problems] == [case["says"]] * bool(case["says"]), problems


def test_json_is_for_loopback() -> None:
    assert check(changed("serializers", ["cbor", "json"]) | {"address": "127.0.0.1"}) == []


def test_a_problem_never_shows_a_secret() -> None:
    router = changed("realms[0].users[0].key", "k3y-secret")
    router["realms"][0]["users"][1]["password"] = ["s3cret"]
    router["realms"][0]["users"][1]["pass"] = "s3cret"
    assert "s3cret" not in str([str(problem) for problem in check(router)])


def test_several_faults_are_all_named() -> None:
    router = changed("realms[0].users[0].role", "nobody")
    router["services"][0]["realm"] = "nowhere"
    assert len(check(router)) == 2


def test_the_same_description_gives_the_same_bytes_and_another_salt_others() -> None:
    assert json.dumps(node(description(), SALT)) == json.dumps(node(description(), SALT))
    assert node(description(), SALT) != node(description(), b"another salt secret")
    with pytest.raises(ConfigurationError, match="shorter than 16"):
        node(description(), b"short")


def test_no_password_is_in_the_node() -> None:
    assert "-password" not in json.dumps(node(description(), SALT))


def test_the_transport_has_tls_limits_deadlines_and_no_json_and_no_anonymous() -> None:
    transport, _, principals = rendered(description())
    assert transport["endpoint"]["tls"] == {
        "key": "/etc/ionman/tls/router.key",
        "certificate": "/etc/ionman/tls/router.pem",
        "chain_certificates": ["/etc/ionman/tls/intermediate.pem"],
    }
    websocket = transport["paths"]["ws"]
    assert websocket["serializers"] == ["cbor", "msgpack"]
    assert set(websocket["auth"]) == {"scram", "cryptosign"}
    options = websocket["options"]
    assert "https://router.example.org:8443" in options["allowed_origins"]
    assert not [origin for origin in options["allowed_origins"] if "*" in origin]
    wanted = {"open_handshake_timeout", "close_handshake_timeout", "auto_ping_interval", "auto_ping_timeout"}
    assert all(options[name] >= 1000 for name in wanted)
    assert (options["allow_null_origin"], options["show_server_version"]) == (False, False)
    assert "compression" not in options
    assert transport["max_connections"] <= 5000
    assert principals["query"] == {
        "authorized_keys": ["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"],
        "realm": "ionman",
        "role": "service_query_2",
    }


def test_a_service_may_register_just_what_it_declares_and_what_kept_releases_do() -> None:
    demo = rights(changed("services[0].kept", ["app.demo.old", "app.get"]))["realms"]["ionman"]["service_demo"]
    registering = {(entry["uri"], entry["match"]) for entry in demo if "register" in entry["allow"]}
    exact_ones = {"app.demo.method1", "app.demo.old", "app.get"}
    assert registering == {*((uri, "exact") for uri in exact_ones), ("ionman.service.demo.", "prefix")}
    assert {"uri": "app.demo.news", "match": "exact", "allow": ["publish", "subscribe"]} in demo
    assert rendered(description())[2]["demo"]["role"] == "service_demo"


def test_what_a_service_may_do_is_not_in_the_configuration() -> None:
    other = changed("services[0].procedures", ["app.demo.method1", "app.demo.method2"])
    other["services"][0] |= {"topics": ["app.demo.more"], "calls": [], "kept": ["app.get_x"]}
    assert node(other, SALT) == node(description(), SALT)
    assert rights(other) != rights(description())


def test_only_services_and_roles_that_crossbar_would_misread_are_asked_for() -> None:
    worker = node(description(), SALT)["workers"][0]
    asked = [
        (role["name"], role["authorizer"])
        for realm in worker["realms"]
        for role in realm["roles"]
        if "authorizer" in role
    ]
    assert {name for name, _ in asked} == {"auditor", "mixed", "service_demo", "service_query_2"}
    authorizers = [one for one in worker["components"] if one["classname"].endswith(".Authorizer")]
    assert [component["realm"] for component in authorizers] == ["ionman", "other"]
    answering = [role for realm in worker["realms"] for role in realm["roles"] if role["name"] == "authorizer"]
    assert {entry["uri"] for role in answering for entry in role["permissions"]} == {uri for _, uri in asked}
    assert rights(description())["realms"]["other"] == {}


def test_who_calls_is_always_disclosed() -> None:
    _, realms, _ = rendered(description())
    entries = [entry for roles in realms.values() for role in roles.values() for entry in role.values()]
    assert all(entry["disclose"] == {"caller": True, "publisher": True} for entry in entries)


def test_only_ops_and_its_own_host_have_the_meta_api() -> None:
    _, realms, _ = rendered(description())
    holders = {name for roles in realms.values() for name, role in roles.items() if any("wamp" in uri for uri in role)}
    assert holders == {"ops", "ops_other", "host"}


def test_a_role_of_two_realms_has_two_names_on_the_router() -> None:
    _, realms, principals = rendered(description())
    own = {name for name in realms["other"] if "." not in name}  # the others are of what runs in Crossbar
    assert own == {"client_other", "ops_other", "authorizer", "host"}
    assert (principals["alice"]["role"], principals["oscar"]["role"]) == ("client", "client_other")


def test_only_prefixes_that_let_nobody_register_are_left_to_crossbar() -> None:
    assert plain([prefix("app.", "call", "publish", "subscribe"), prefix("wamp.", "call")])
    # Crossbar would let app.get be called, and app.get_all subscribed as a pattern of it.
    assert not plain([*exact(["app.get"], "call")])
    assert not plain([Permission("app..get", "wildcard", frozenset({"call"}))])
    # It does not look whether a registration takes the procedure from the others.
    assert not plain([prefix("app.", "register")])


def test_a_longer_prefix_has_the_rights_of_the_shorter_and_is_left_out_without_more() -> None:
    entries = settle([prefix("app.", "call"), prefix("app.demo.", "subscribe"), prefix("app.demo.x.", "call")])
    wider = Permission("app.demo.", "prefix", frozenset({"call", "subscribe"}))
    assert entries == [prefix("app.", "call"), wider]


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (("app.", "prefix"), ("app.demo.", "prefix"), True),
        (("app.", "prefix"), ("app..x", "wildcard"), True),
        (("app.demo.", "prefix"), ("app.", "prefix"), False),
        (("app.demo.", "prefix"), ("app..x", "wildcard"), False),
        (("app..x", "wildcard"), ("app.demo.x", "exact"), True),
        (("app..", "wildcard"), ("app..x", "wildcard"), True),
        (("app..x", "wildcard"), ("app.demo.y", "exact"), False),
        (("app..x", "wildcard"), ("app.demo.x.y", "exact"), False),
        (("app..x", "wildcard"), ("app.demo.", "prefix"), False),
        (("app.x", "exact"), ("app.x", "exact"), True),
        (("app.x", "exact"), ("app.x", "prefix"), False),
    ],
)
def test_what_an_entry_stands_for(wide: tuple[str, Any], narrow: tuple[str, Any], covered: bool) -> None:
    anything = frozenset({"call"})
    assert covers(Permission(*wide, anything), Permission(*narrow, anything)) is covered


@pytest.mark.filterwarnings("ignore:'crypt' is deprecated:DeprecationWarning")  # passlib, which Autobahn imports
def test_the_credential_is_what_autobahn_derives() -> None:
    from autobahn.wamp.auth import derive_scram_credential  # noqa: PLC0415 - inside the filter

    theirs = derive_scram_credential("a@example.org", "päss", b"0123456789abcdef")
    theirs.pop("email", None)
    assert scram("päss", b"0123456789abcdef", passes=4096, memory=512) == theirs


def test_each_user_has_a_salt_of_its_own() -> None:
    salts = {salt_for(SALT, realm, user) for realm in ("a", "b") for user in ("x", "y")}
    assert (len(salts), {len(salt) for salt in salts}) == (4, {16})


def test_an_address_of_version_6_listens_as_such() -> None:
    transport, _, _ = rendered(changed("address", "::"))
    assert transport["endpoint"]["version"] == 6


def test_the_hosts_own_keys_are_let_pass() -> None:
    assert check(copy.deepcopy(description()) | {"version": "26.10.1", "ready_timeout": 60.0}) == []
