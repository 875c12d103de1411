"""Own authority, leaves, and a message for everything that can be wrong with a certificate."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ionman import certificate, process
from ionman.certificate import Pair, authority, leaf, needs_renewal, verify
from ionman.certificates import order
from ionman.certificates.alarm import Outcome, alarms
from ionman.errors import ConfigurationError

NAMES = ["host1.lab", "localhost", "10.77.0.11", "::1"]
LATER = datetime.now(UTC) + timedelta(days=100)
CA = authority("test")
LEAF = leaf(CA, NAMES)


def encrypted(pair: Pair) -> bytes:
    key = serialization.load_pem_private_key(pair.key, None)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*form, serialization.BestAvailableEncryption(b"secret"))


def test_a_leaf_stands_for_its_names_for_90_days_and_openssl_agrees(tmp_path: Path) -> None:
    assert certificate.names(LEAF.certificate) == NAMES
    assert timedelta(days=89) < certificate.expiry(LEAF.certificate) - datetime.now(UTC) <= timedelta(days=90)
    assert verify(LEAF.certificate, LEAF.key, ca=CA.certificate, wanted=[*NAMES, "HOST1.lab"]) == []
    (tmp_path / "ca.pem").write_bytes(CA.certificate)
    (tmp_path / "leaf.pem").write_bytes(LEAF.certificate)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "host1.lab"]
    assert "OK" in process.run([*command, "-CAfile", tmp_path / "ca.pem", tmp_path / "leaf.pem"]).stdout
    shown = process.run(["openssl", "x509", "-in", tmp_path / "leaf.pem", "-noout", "-fingerprint", "-sha256"]).stdout
    assert shown.strip().endswith(certificate.fingerprint(LEAF.certificate))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"certificate": b"nonsense"}, "the certificate is no PEM certificate"),
        ({"certificate": LEAF.certificate + CA.certificate}, "holds 2 certificates: Crossbar takes the leaf alone"),
        ({"key": b"nonsense"}, "the key is no PEM private key"),
        ({"key": encrypted(LEAF)}, "the key is encrypted"),
        ({"key": leaf(CA, NAMES).key}, "the key is not the certificate's"),
        ({"certificate": CA.certificate, "key": CA.key}, "an authority's, not a server's"),
        ({"wanted": ["host2.lab"]}, "stands for host1.lab, localhost, 10.77.0.11, ::1, not for host2.lab"),
        ({"now": LATER}, "CN=host1.lab expired on"),
        ({"now": datetime.now(UTC) - timedelta(days=1)}, "is not valid before"),
        ({"ca": authority("other").certificate}, "no authority in the CA file signed CN=host1.lab (by CN=test)"),
        ({"ca": b""}, "the CA file is no PEM certificate"),
        ({"chain": [CA.certificate, LEAF.certificate]}, "chain[1] (CN=host1.lab) is no authority's certificate"),
        ({"chain": [authority("other").certificate]}, "chain[0] (CN=other) did not sign CN=host1.lab"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], text: str) -> None:
    arguments: dict[str, object] = {"certificate": LEAF.certificate, "key": LEAF.key, "ca": CA.certificate} | changes
    problems = verify(**arguments)  # type: ignore[arg-type]
    assert any(text in problem for problem in problems), problems


def test_a_bundle_of_authorities_is_searched() -> None:
    assert verify(LEAF.certificate, LEAF.key, ca=authority("old").certificate + CA.certificate) == []


def test_a_star_covers_one_label() -> None:
    starred = leaf(CA, ["*.example.org"])
    assert verify(starred.certificate, starred.key, wanted=["router.example.org"]) == []
    assert verify(starred.certificate, starred.key, wanted=["a.router.example.org"]) != []


@pytest.mark.parametrize(
    ("wanted", "days", "reason"),
    [
        (NAMES, 0, ""),
        (["host9"], 0, "lacks the name host9"),
        (NAMES, 65, "expires in 24 days"),
        (NAMES, 100, "expired on"),
    ],
)
def test_renewal(wanted: list[str], days: int, reason: str) -> None:
    found = needs_renewal(LEAF.certificate, wanted, now=datetime.now(UTC) + timedelta(days=days))
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs a name"):
        leaf(CA, [])
    with pytest.raises(ConfigurationError, match="neither a DNS name"):
        leaf(CA, ["höst"])
    with pytest.raises(ConfigurationError, match="not the EC key of its certificate"):
        leaf(Pair(CA.certificate, LEAF.key), NAMES)
    assert "PRIVATE" not in repr(CA)


NOW = datetime.now(UTC)


def outcome(days: float, *, good: bool = True) -> Outcome:
    return Outcome(NOW - timedelta(days=days), good, "nobody answers")


@pytest.mark.parametrize(
    ("leaf_", "renews", "last", "said"),
    [
        (LEAF.certificate, False, None, ""),
        (LEAF.certificate, True, outcome(0.5), ""),
        (leaf(CA, NAMES, days=15).certificate, False, None, ""),  # a short one: well before its end
        (leaf(CA, NAMES, now=NOW - timedelta(days=78)).certificate, False, None, "expires in 11 days, on "),
        (leaf(CA, NAMES, now=NOW - timedelta(days=89)).certificate, False, None, "expires in 23 hours, on "),
        (leaf(CA, NAMES, now=NOW - timedelta(days=91)).certificate, False, None, "certificate router expired on "),
        (leaf(CA, NAMES, now=NOW + timedelta(days=1)).certificate, False, None, "is not valid before "),
        (b"nonsense", False, None, "certificate router is no PEM certificate"),
        (LEAF.certificate, True, None, "was never tried to renew: systemctl status ionman-certificate.timer"),
        (LEAF.certificate, True, outcome(0.5, good=False), " UTC: nobody answers"),
        (LEAF.certificate, True, outcome(4), "was last looked at on "),
    ],
    ids=lambda value: "leaf" if isinstance(value, bytes) else None,  # the same in every process
)
def test_alarms(leaf_: bytes, renews: bool, last: Outcome | None, said: str) -> None:
    orders = frozenset(["router"] if renews else [])
    found = alarms({"router": leaf_}, orders, {"router": last} if last else {}, NOW)
    assert len(found) == bool(said), found
    assert said in "".join(found)


def test_the_host_says_what_has_to_be_looked_at(tmp_path: Path) -> None:
    place = tmp_path / "etc/ionman/tls"
    place.mkdir(parents=True)
    old = leaf(CA, NAMES, now=NOW - timedelta(days=78))
    (place / "repo.pem").write_bytes(old.certificate + CA.certificate)
    (place / "router.pem").write_bytes(LEAF.certificate)
    done = process.run([Path(sys.executable).with_name("ionman"), "host", "status", "--root", tmp_path], timeout=60)
    assert "nothing runs here\nALARM: certificate repo expires in 11 days, on " in done.stdout
    assert "router" not in done.stdout


def test_a_short_certificate_is_renewed_in_its_last_third() -> None:
    short = leaf(CA, NAMES, days=6).certificate
    assert needs_renewal(short, NAMES, now=NOW + timedelta(days=3)) == ""
    assert needs_renewal(short, NAMES, now=NOW + timedelta(days=4.5)) == "expires in 1 days"


GOOD = {"name": "router", "names": ["host1.example.org"], "directory": "https://acme.example.org/directory"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"names": []}, "names is empty"),
        ({"names": ["10.0.0.1"]}, "names has the address 10.0.0.1"),
        ({"names": ["*.example.org"]}, "a name with a star needs dns-01"),
        ({"directory": "http://acme.example.org"}, "it begins with https://"),
        ({"challenge": "tls-alpn-01"}, "http-01 or dns-01"),
        ({"challenge": "dns-01"}, "needs the path of a program"),
        ({"port": "80"}, "port is '80'"),
        ({"colour": "green"}, "unexpected keyword argument 'colour'"),
        ({"name": "../router"}, "letters, digits, - and _ only"),
    ],
)
def test_an_order_says_what_is_wrong(changes: dict[str, object], said: str) -> None:
    assert order.read(json.dumps(GOOD), "it").names == ("host1.example.org",)
    with pytest.raises(ConfigurationError) as caught:
        order.read(json.dumps(GOOD | changes), "router.json")
    assert said in str(caught.value)
