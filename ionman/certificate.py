"""Certificates for routers: an own authority, leaves for the names a router is reached by, and what is wrong with one.

Bytes in, bytes out: nothing here touches a file. Everything is PEM; keys are EC P-256 in unencrypted PKCS #8.
Profiles follow RFC 5280 and what Chromium, OpenSSL and Crossbar (TLS 1.3 only) accept.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ionman.certificates import pem
from ionman.certificates.fit import verify
from ionman.errors import ConfigurationError

__all__ = ["Pair", "authority", "expiry", "fingerprint", "leaf", "names", "needs_renewal", "verify"]

LEAF_DAYS = 90
AUTHORITY_DAYS = 3650
RENEWAL_DAYS = 30
SKEW = timedelta(minutes=5)  # a host whose clock is a little behind must accept a new leaf
NO_USAGE = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


@dataclass(frozen=True, repr=False)
class Pair:
    """A certificate and its private key, PEM; without a repr, which would show the key."""

    certificate: bytes
    key: bytes


def authority(name: str = "ionman", *, days: int = AUTHORITY_DAYS, now: datetime | None = None) -> Pair:
    """A new authority that may sign leaves and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = _builder(subject, key, subject, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(**(NO_USAGE | {"key_cert_sign": True, "crl_sign": True}))
    return _sign(builder.add_extension(usage, critical=True), days, now, key, key)


def leaf(signer: Pair, names: Sequence[str], *, days: int = LEAF_DAYS, now: datetime | None = None) -> Pair:
    """A new server certificate for `names` (DNS names and IP addresses), signed by `signer`.

    Raises `ConfigurationError` without names, for a name that is neither, and for a signer that cannot sign.
    """
    if not names:
        raise ConfigurationError("a certificate needs a name", remedy="name the router's hosts or addresses")
    issuer = pem.certificate(signer.certificate, "the authority's certificate")
    issuer_key = pem.private_key(signer.key, "the authority's key")
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey) or not pem.belongs(issuer_key, issuer):
        remedy = "hand in the authority's own pair, or certificates signed elsewhere"
        raise ConfigurationError("the authority's key is not the EC key of its certificate", remedy=remedy)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_subject(names[0]), key, issuer.subject, issuer_key)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    usage = x509.KeyUsage(**(NO_USAGE | {"digital_signature": True}))
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    return _sign(builder, days, now, key, issuer_key)


def expiry(certificate: bytes) -> datetime:
    """When the certificate ends, in UTC."""
    return pem.certificate(certificate).not_valid_after_utc


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the certificate as openssl(1) and browsers show it: `AB:CD:...`."""
    return pem.certificate(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def names(certificate: bytes) -> list[str]:
    """The DNS names and addresses that the certificate stands for, in its order."""
    return pem.names(pem.certificate(certificate))


def needs_renewal(
    certificate: bytes, wanted: Sequence[str], *, days: int = RENEWAL_DAYS, now: datetime | None = None
) -> str:
    """Why the leaf has to be made anew (`expires in 12 days`, `lacks the name host1`), or an empty string."""
    found = pem.certificate(certificate)
    if missing := pem.missing(found, list(wanted)):
        return f"lacks the name {', '.join(missing)}"
    left = found.not_valid_after_utc - (now or datetime.now(UTC))
    if left <= timedelta():
        return f"expired on {found.not_valid_after_utc:%F}"
    whole = found.not_valid_after_utc - found.not_valid_before_utc
    # A third of the whole is well before the end also of those that are made out for a few days.
    return f"expires in {left.days} days" if left < min(timedelta(days=days), whole / 3) else ""


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # RFC 5280, ub-common-name


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    public, signing = key.public_key(), signer.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing), critical=False)
    )


def _sign(
    builder: x509.CertificateBuilder,
    days: int,
    now: datetime | None,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
) -> Pair:
    moment = now or datetime.now(UTC)
    builder = builder.not_valid_before(moment - SKEW).not_valid_after(moment + timedelta(days=days))
    certificate = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Pair(certificate, key.private_bytes(*form))


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass  # then it is a DNS name
    try:
        return x509.DNSName(name)
    except ValueError as error:
        remedy = "write names of other alphabets as xn--"
        raise ConfigurationError(f"{name!r} is neither a DNS name nor an address", remedy=remedy) from error
