"""A machine's own certificate: what is said of files that cannot be shown to a router."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ionman import certificate
from ionman.call import Account, Client, connect
from ionman.calls.identity import Identity, identity
from ionman.certificates import pem
from ionman.errors import ConfigurationError

PAIR, OTHER = certificate.leaf(certificate.authority(), ["a"]), certificate.leaf(certificate.authority(), ["b"])


def locked(key: bytes) -> bytes:
    encryption = serialization.BestAvailableEncryption(b"x")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    return pem.private_key(key, "the key").private_bytes(*form)


@pytest.fixture
def own(tmp_path: Path) -> Identity:
    found = Identity(tmp_path / "own.pem", tmp_path / "own.key")
    found.certificate.write_bytes(PAIR.certificate)
    found.key.touch(0o600)
    found.key.write_bytes(PAIR.key)
    return found


def said(own: Identity) -> str:
    """What a client that has `own` is told at once, without a router."""
    with pytest.raises(ConfigurationError) as caught:
        connect(["localhost:1"], user="pump", certificate=own.certificate, certificate_key=own.key, deadline=1)
    assert caught.value.remedy
    return caught.value.message


def test_what_belongs_together_is_loaded(own: Identity) -> None:
    own.load(ssl.create_default_context())


def test_files_that_cannot_be_shown(own: Identity) -> None:
    own.key.write_bytes(OTHER.key)
    assert said(own) == f"{own.certificate} and {own.key}: the key is another certificate's"
    own.key.write_bytes(locked(PAIR.key))
    assert said(own) == f"the key {own.key} has a password, and nobody is there to type it"
    own.key.write_bytes(b"none")
    assert said(own) == f"{own.certificate} and {own.key}: they are no certificate and key"
    own.key.chmod(0o644)
    assert said(own) == f"{own.key} is open to everybody on this machine"
    own.key.unlink()
    assert said(own) == f"the file {own.key} is not there"
    own.certificate.unlink()
    assert said(own) == f"the file {own.certificate} is not there"


def test_one_secret_and_not_two(own: Identity) -> None:
    for account in (Account("r", "pump", "password", "", own), Account("r", "pump", "", "00" * 32, own)):
        with pytest.raises(ConfigurationError, match="pump has a certificate and another secret"):
            Client(["localhost:1"], account)


def test_the_key_may_be_in_the_same_file() -> None:
    assert identity("a.pem", None) == Identity(Path("a.pem"), Path("a.pem"))
    assert identity(None, None) is None
    with pytest.raises(ConfigurationError, match=r"a\.key is the key of no certificate"):
        identity(None, "a.key")
