"""The pure parts of a call: addresses, the answer to a challenge, what a result and an error carry."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from ionman.calls import rules
from ionman.calls.login import Account, login
from ionman.calls.message import body, failure, value
from ionman.calls.reach import Router, parse
from ionman.errors import ConfigurationError, InputError, IonmanError, Late, Refused, Unavailable, WampError
from ionman.routers.credential import scram


@pytest.mark.parametrize(
    ("text", "router"),
    [
        ("localhost", Router("localhost", 8443)),
        ("host1.lab:443", Router("host1.lab", 443)),
        ("10.77.0.11:8443", Router("10.77.0.11", 8443)),
        ("[::1]:8080", Router("::1", 8080)),
    ],
)
def test_addresses(text: str, router: Router) -> None:
    assert parse(text) == router
    assert parse(str(router)) == router


@pytest.mark.parametrize("text", ["", ":8443", "host:", "host:0", "host:65536", "host:x", "https://host", "a b:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no router address"):
        parse(text)


def challenged(password: str, **changes: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """A login by scram, the challenge of a router that knows `password`, and the router's credential."""
    method = login(Account("ionman", "alice", "right"))
    credential = scram(password, b"0123456789abcdef", passes=1, memory=64)
    nonce = base64.b64encode(base64.b64decode(method.extra()["nonce"]) + b"router's").decode()
    salt = base64.b64encode(bytes.fromhex(credential["salt"])).decode()
    challenge = {"nonce": nonce, "salt": salt, "kdf": "argon2id-13", "iterations": 1, "memory": 64} | changes
    return method, challenge, credential


def signed(challenge: dict[str, Any], nonce: str) -> bytes:
    part = f"r={challenge['nonce']}"
    return f"n=alice,r={nonce},{part},s={challenge['salt']},i={challenge['iterations']},c=,{part}".encode()


@pytest.mark.parametrize(("password", "fits"), [("right", True), ("wrong", False)])
def test_scram_proves_the_password_both_ways(password: str, fits: bool) -> None:
    method, challenge, credential = challenged(password)
    message = signed(challenge, method.extra()["nonce"])
    proof = base64.b64decode(method.answer(challenge))
    stored = bytes.fromhex(credential["stored-key"])
    client = bytes(a ^ b for a, b in zip(proof, hmac.new(stored, message, hashlib.sha256).digest(), strict=True))
    assert (hashlib.sha256(client).digest() == stored) is fits
    server = hmac.new(bytes.fromhex(credential["server-key"]), message, hashlib.sha256).digest()
    assert method.accept({"scram_server_signature": base64.b64encode(server).decode()}) is fits
    assert not method.accept({})
    assert not method.accept({"scram_server_signature": "%"})


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf": "pbkdf2"},
        {"iterations": 10**6},
        {"memory": 1 << 30},
        {"nonce": base64.b64encode(b"another").decode()},
        {"salt": ""},
    ],
)
def test_a_router_cannot_ask_for_anything(changes: dict[str, Any]) -> None:
    method, challenge, _ = challenged("right", **changes)
    with pytest.raises(Refused):
        method.answer(challenge)


def test_cryptosign_signs_the_challenge() -> None:
    key = SigningKey.generate()
    method = login(Account("ionman", "demo", key=key.encode().hex() + "\n"))
    answer = bytes.fromhex(method.answer({"challenge": "ab" * 32}))
    assert key.verify_key.verify(answer) == b"\xab" * 32
    with pytest.raises(BadSignatureError):
        SigningKey.generate().verify_key.verify(answer)
    assert method.extra() == {"pubkey": key.verify_key.encode().hex()}


def test_an_account_never_shows_its_secret() -> None:
    assert "s3cret" not in repr(Account("ionman", "alice", "s3cret"))


@pytest.mark.parametrize(
    ("parts", "result"),
    [
        ([], None),
        ([[]], None),
        ([[{"a": 1}]], {"a": 1}),
        ([[1, 2]], [1, 2]),
        ([[1], {"b": 2}], {"args": [1], "kwargs": {"b": 2}}),
    ],
)
def test_what_a_result_carries(parts: list[Any], result: Any) -> None:
    assert value(parts) == result


def test_what_an_error_becomes() -> None:
    assert isinstance(failure("wamp.error.not_authorized", [["no"]]), Refused)
    error = failure("app.error.full", [["the disk", "is full"], {"left": 0}])
    assert isinstance(error, WampError)
    assert str(error) == "app.error.full: the disk is full {'left': 0}"
    assert "no service has registered it" in str(failure("wamp.error.no_such_procedure", []))


LOST, LATE, REFUSED = Unavailable("lost"), Late("late"), Refused("no")
CANCELED, DRAINED, MISSING, OTHER = (
    WampError(uri, "")
    for uri in ("wamp.error.canceled", "ionman.error.drained", "wamp.error.no_such_procedure", "app.error.full")
)


@pytest.mark.parametrize(
    ("error", "how", "again"),
    [
        (LOST, {"idempotent": False}, False),
        (LOST, {"idempotent": False, "unsent": True}, True),
        (LOST, {"idempotent": True}, True),
        (CANCELED, {"idempotent": False}, False),
        (CANCELED, {"idempotent": True}, True),
        (DRAINED, {"idempotent": False}, False),
        (DRAINED, {"idempotent": True}, True),
        (MISSING, {"idempotent": False}, False),
        (MISSING, {"idempotent": True, "missing": 1.9}, True),
        (MISSING, {"idempotent": True, "missing": 2.0}, False),
        (OTHER, {"idempotent": True}, False),
        (LATE, {"idempotent": True}, False),
        (REFUSED, {"idempotent": True}, False),
    ],
)
def test_what_may_be_asked_again(error: IonmanError, how: dict[str, Any], again: bool) -> None:
    assert rules.again(error, **how) is again


@pytest.mark.parametrize(
    ("uri", "is_declared"),
    [("app.get", True), ("app.get_all", False), ("app.read.x", True), ("app.read", False), ("app.list2", True)],
)
def test_what_is_declared_idempotent(uri: str, is_declared: bool) -> None:
    assert rules.declared(uri, ("app.get", "app.read.", "app.list*")) is is_declared


def test_pauses_grow_and_have_an_end_and_the_first_is_none() -> None:
    pauses = [rules.pause(times) for times in (*range(1, 12), 100_000)]
    assert (pauses[0], pauses == sorted(pauses), pauses[-1]) == (0.0, True, 0.5)
    pauses = [rules.round_pause(rounds) for rounds in (*range(12), 100_000)]
    assert (pauses[0], pauses == sorted(pauses), pauses[-1]) == (0.0, True, 2.0)


def test_a_request_that_a_router_would_close_the_connection_at_is_not_sent() -> None:
    assert body(48, {}, "app.x", ["x" * 900], largest=1024).numbered(7)[:4] == b"\x85\x18\x30\x07"
    with pytest.raises(InputError, match=r"10[0-9][0-9] octets; the router takes 1024"):
        body(48, {}, "app.x", ["x" * 1024], largest=1024)
    with pytest.raises(InputError, match="cannot be sent"):
        body(48, {}, "app.x", [object()])
