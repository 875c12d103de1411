"""Certificates for routers: an own authority, leaves for the names a router is reached by, and what is wrong with one.

Bytes in, bytes out: nothing here touches a file. Everything is PEM; keys are EC P-256 in unencrypted PKCS #8.
Profiles follow RFC 5280 and what Chromium, OpenSSL and Crossbar (TLS 1.3 only) accept.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ionman.errors import ConfigurationError

LEAF_DAYS = 90
AUTHORITY_DAYS = 3650
SKEW = timedelta(minutes=5)  # a host whose clock is a little behind must accept a new leaf


@dataclass(frozen=True, repr=False)
class Pair:
    """A certificate and its private key, PEM; without a repr, which would show the key."""

    certificate: bytes
    key: bytes


def authority(name: str = "ionman", *, days: int = AUTHORITY_DAYS, now: datetime | None = None) -> Pair:
    """A new authority that may sign leaves and nothing below them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    builder = _builder(subject, subject, key.public_key(), key.public_key(), days, now or datetime.now(UTC))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=True), critical=True)
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def leaf(signer: Pair, names: Sequence[str], *, days: int = LEAF_DAYS, now: datetime | None = None) -> Pair:
    """A new server certificate for `names` (DNS names and IP addresses), signed by `signer`.

    Raises `ConfigurationError` without names, and for a name that is neither.
    """
    if not names:
        raise ConfigurationError("a certificate needs a name", remedy="name the router's hosts or addresses")
    issuer = _certificate(signer.certificate, "the authority's certificate")
    issuer_key = _private_key(signer.key, "the authority's key")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_subject(names[0]), issuer.subject, key.public_key(), issuer_key.public_key(), days, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError("the authority's key is no EC key", remedy="hand in certificates signed elsewhere")
    return Pair(_pem(builder.sign(issuer_key, hashes.SHA256())), _key_pem(key))


def expiry(certificate: bytes) -> datetime:
    """When the certificate ends, in UTC."""
    return _certificate(certificate, "the certificate").not_valid_after_utc


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of the certificate as openssl(1) and browsers show it: `AB:CD:...`."""
    return _certificate(certificate, "the certificate").fingerprint(hashes.SHA256()).hex(":").upper()


def names(certificate: bytes) -> list[str]:
    """The DNS names and addresses that the certificate stands for, in its order."""
    return _names(_certificate(certificate, "the certificate"))


def needs_renewal(certificate: bytes, wanted: Sequence[str], *, days: int = 30, now: datetime | None = None) -> str:
    """Why the leaf has to be made anew ("expires in 12 days", "lacks the name host1"), or an empty string."""
    found = _certificate(certificate, "the certificate")
    missing = [name for name in wanted if name not in _names(found)]
    if missing:
        return f"lacks the name {', '.join(missing)}"
    left = found.not_valid_after_utc - (now or datetime.now(UTC))
    return f"expires in {max(left.days, 0)} days" if left < timedelta(days=days) else ""


def verify(  # noqa: PLR0913 - a certificate's fit has this many sides
    certificate: bytes,
    key: bytes,
    *,
    ca: bytes,
    chain: Sequence[bytes] = (),
    wanted: Sequence[str] = (),
    now: datetime | None = None,
) -> list[str]:
    """What is wrong with serving `certificate` with `key` and `chain` to peers that trust `ca`; empty when nothing is.

    `chain` holds the certificates between the leaf and the authority, the leaf's signer first; `ca` may be a bundle.
    """
    try:
        found = _leaf_only(certificate)
        between = [_certificate(one, f"chain[{number}]") for number, one in enumerate(chain)]
        roots = _bundle(ca)
        private = _private_key(key, "the key")
    except ConfigurationError as error:
        return [str(error)]
    moment = now or datetime.now(UTC)
    problems = []
    if _public(private) != _spki(found):
        problems.append(
            "the key is not the one that the certificate was made for: hand in the pair that belongs together"
        )
    if _is_authority(found):
        problems.append("the certificate is an authority's, not a server's: hand in the leaf")
    missing = [name for name in wanted if name not in _names(found)]
    if missing:
        problems.append(
            f"the certificate stands for {', '.join(_names(found)) or 'no name'}, not for {', '.join(missing)}"
        )
    problems += [text for one in (found, *between) if (text := _out_of_date(one, moment))]
    return problems + _chain_problems(found, between, roots, moment)


def _chain_problems(
    found: x509.Certificate, between: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime
) -> list[str]:
    link = found
    for number, signer in enumerate(between):
        if not _signed_by(link, signer):
            return [
                f"chain[{number}] ({_show(signer)}) did not sign {_show(link)}: order the chain from the leaf upwards"
            ]
        if not _is_authority(signer):
            return [f"chain[{number}] ({_show(signer)}) is no authority's certificate"]
        link = signer
    signers = [root for root in roots if _signed_by(link, root)]
    if not signers:
        issuer = link.issuer.rfc4514_string()
        return [f"no authority in the CA file signed {_show(link)} (issuer {issuer}): add it, or the chain up to it"]
    return [] if any(not _out_of_date(root, moment) for root in signers) else [_out_of_date(signers[0], moment)]


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])  # RFC 5280 ub-common-name


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: object,
    days: int,
    now: datetime | None,
) -> x509.CertificateBuilder:
    moment = now or datetime.now(UTC)
    if not isinstance(signer, ec.EllipticCurvePublicKey):
        raise ConfigurationError("the authority's key is no EC key", remedy="hand in certificates signed elsewhere")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - SKEW)
        .not_valid_after(moment + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise ConfigurationError(
            f"{name!r} is neither a DNS name nor an address", remedy="write IDNs as xn--"
        ) from error


def _names(found: x509.Certificate) -> list[str]:
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    dns = extension.get_values_for_type(x509.DNSName)
    return [*dns, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))]


def _is_authority(found: x509.Certificate) -> bool:
    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signed_by(found: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _out_of_date(found: x509.Certificate, moment: datetime) -> str:
    if moment < found.not_valid_before_utc:
        return f"{_show(found)} is not valid before {found.not_valid_before_utc:%F %T} UTC: look at the clock"
    if moment > found.not_valid_after_utc:
        return f"{_show(found)} expired on {found.not_valid_after_utc:%F %T} UTC: renew it"
    return ""


def _show(found: x509.Certificate) -> str:
    return found.subject.rfc4514_string() or "the certificate"


def _certificate(data: bytes, what: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise ConfigurationError(f"{what} is no PEM certificate", remedy="hand in PEM (BEGIN CERTIFICATE)") from error


def _leaf_only(data: bytes) -> x509.Certificate:
    found = _certificate(data, "the certificate")
    if data.count(b"BEGIN CERTIFICATE") > 1:
        raise ConfigurationError(
            "the certificate file holds more than the leaf", remedy="move the other certificates into the chain"
        )
    return found


def _bundle(data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ConfigurationError(
            "the CA file holds no PEM certificate", remedy="hand in the authority's PEM"
        ) from error


def _private_key(data: bytes, what: str) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigurationError(
            f"{what} is encrypted", remedy="Crossbar reads unencrypted keys: decrypt it"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{what} is no PEM private key", remedy="hand in PEM (BEGIN PRIVATE KEY)") from error


def _public(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _spki(found: x509.Certificate) -> bytes:
    return found.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem(found: x509.Certificate) -> bytes:
    return found.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
