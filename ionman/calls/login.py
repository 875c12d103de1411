"""Answers to a router's challenge: scram for a password, cryptosign for a key. Pure, but for the nonce."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from argon2.exceptions import HashingError
from nacl.signing import SigningKey

from ionman.calls.identity import Identity
from ionman.calls.salting import salted
from ionman.errors import ConfigurationError, Refused

# A router that is not ours could ask for any amount of work: twice Autobahn's 4096 passes, and 1 GiB, is the end.
MOST_PASSES = 8192
MOST_MEMORY_KIB = 1 << 20


@dataclass(frozen=True, repr=False)
class Account:
    """Who logs in where, by `password`, `key` (an Ed25519 seed, 64 hex digits) or `certificate`.

    There is no repr, which would show them.
    Without a user: anonymous, as a router's own host is on the router's socket.
    """

    realm: str
    user: str = ""
    password: str = ""
    key: str = ""
    certificate: Identity | None = None


class Login(Protocol):
    """One authentication method, for one session."""

    method: str

    def extra(self) -> dict[str, Any]:
        """What HELLO says in `authextra`."""

    def answer(self, challenge: Mapping[str, Any]) -> str:
        """The signature that AUTHENTICATE carries."""

    def accept(self, extra: Mapping[str, Any]) -> bool:
        """Whether WELCOME's `authextra` proves that the router knows the secret too, where the method can tell."""


def login(account: Account) -> Login:
    """The method that fits the account's secret; raises `ConfigurationError` for none, or a key that is none."""
    if account.certificate:
        if account.password or account.key:
            remedy = "leave the password and the key away"
            raise ConfigurationError(f"{account.user} has a certificate and another secret", remedy=remedy)
        return _Certificate()
    if account.key:
        return _Cryptosign(account.key)
    if account.password:
        return _Scram(account.user, account.password)
    if not account.user:
        return _Anonymous()
    raise ConfigurationError(f"there is no password and no key for {account.user}", remedy="give one of them")


class _Anonymous:
    """No proof at all."""

    method = "anonymous"

    def extra(self) -> dict[str, Any]:
        return {}

    def answer(self, challenge: Mapping[str, Any]) -> str:
        raise Refused(f"the router wants a proof of nobody: {challenge}", remedy="look who answers at this address")

    def accept(self, extra: Mapping[str, Any]) -> bool:
        del extra
        return True


class _Certificate(_Anonymous):
    """TLS has proven it already, in both directions."""

    method = "tls"


class _Scram:
    """WAMP-SCRAM with argon2id, as Autobahn and Crossbar do it (autobahn/wamp/auth.py, AuthScram; unbound)."""

    method = "scram"

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user, password
        self._nonce = base64.b64encode(os.urandom(16)).decode()
        self._expected = b""

    def extra(self) -> dict[str, Any]:
        return {"nonce": self._nonce}

    def answer(self, challenge: Mapping[str, Any]) -> str:
        password = self._salted(challenge)
        nonce = str(challenge["nonce"])
        if not base64.b64decode(nonce).startswith(base64.b64decode(self._nonce)):
            raise Refused(
                "the router's challenge does not belong to this login", remedy="look who answers at this address"
            )
        message = (
            f"n={self._user},r={self._nonce},r={nonce},s={challenge['salt']},i={challenge['iterations']},c=,r={nonce}"
        ).encode()
        self._expected = _mac(_mac(password, b"Server Key"), message)
        client_key = _mac(password, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), message)
        return base64.b64encode(bytes(a ^ b for a, b in zip(client_key, signature, strict=True))).decode()

    def accept(self, extra: Mapping[str, Any]) -> bool:
        try:
            proof = base64.b64decode(str(extra.get("scram_server_signature", "")))
        except binascii.Error:
            return False
        return hmac.compare_digest(proof, self._expected)

    def _salted(self, challenge: Mapping[str, Any]) -> bytes:
        passes, memory = int(challenge["iterations"]), int(challenge.get("memory", 0))
        if (
            challenge.get("kdf") != "argon2id-13"
            or not 1 <= passes <= MOST_PASSES
            or not 8 <= memory <= MOST_MEMORY_KIB
        ):
            raise Refused("the router asks for an unknown or unreasonable scram computation", remedy="use argon2id-13")
        salt = base64.b64decode(challenge["salt"])
        try:
            raw = salted(self._password.encode(), salt, passes, memory)
        except HashingError as error:
            raise Refused(
                f"the router's challenge cannot be computed: {error}", remedy="look who answers there"
            ) from error
        return base64.b64encode(raw).rstrip(b"=")


class _Cryptosign:
    """WAMP-cryptosign: the challenge signed with Ed25519, sent as signature and message in hex."""

    method = "cryptosign"

    def __init__(self, key: str) -> None:
        try:
            self._key = SigningKey(bytes.fromhex(key.strip()))
        except (ValueError, TypeError) as error:
            raise ConfigurationError("the key is no Ed25519 private key", remedy="64 hex digits are one") from error

    def extra(self) -> dict[str, Any]:
        return {"pubkey": self._key.verify_key.encode().hex()}

    def answer(self, challenge: Mapping[str, Any]) -> str:
        signed = self._key.sign(bytes.fromhex(str(challenge["challenge"])))
        return signed.signature.hex() + signed.message.hex()

    def accept(self, extra: Mapping[str, Any]) -> bool:
        del extra
        return True


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
