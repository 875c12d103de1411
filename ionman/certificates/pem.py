"""PEM read and written, with a message for what is not PEM, and the few facts of a certificate that count here."""

import ipaddress

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ionman.errors import ConfigurationError


def certificate(data: bytes, what: str = "the certificate") -> x509.Certificate:
    """The one certificate in `data`; raises `ConfigurationError` naming `what` for none, and for more than one."""
    found = bundle(data, what)
    if len(found) > 1:
        remedy = "Crossbar takes the leaf alone: move the others into the chain, one file each"
        raise ConfigurationError(f"{what} holds {len(found)} certificates", remedy=remedy)
    return found[0]


def bundle(data: bytes, what: str) -> list[x509.Certificate]:
    """All certificates in `data`, one at least."""
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ConfigurationError(f"{what} is no PEM certificate", remedy="hand in PEM (BEGIN CERTIFICATE)") from error


END = b"-----END CERTIFICATE-----"


def blocks(data: bytes) -> list[bytes]:
    """The single certificates of a PEM bundle, each as PEM of its own."""
    found = (block.partition(b"-----BEGIN CERTIFICATE-----") for block in data.split(END)[:-1])
    return [begin + body + END + b"\n" for _, begin, body in found]


def private_key(data: bytes, what: str) -> PrivateKeyTypes:
    """The unencrypted private key in `data`."""
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigurationError(
            f"{what} is encrypted", remedy="Crossbar cannot ask for the password: decrypt it"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{what} is no PEM private key", remedy="hand in PEM (BEGIN PRIVATE KEY)") from error


def belongs(key: PrivateKeyTypes, found: x509.Certificate) -> bool:
    """Whether the certificate was made for `key`."""
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form) == found.public_key().public_bytes(*form)


def names(found: x509.Certificate) -> list[str]:
    """Its DNS names and addresses."""
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    dns = extension.get_values_for_type(x509.DNSName)
    return [*dns, *(str(address) for address in extension.get_values_for_type(x509.IPAddress))]


def missing(found: x509.Certificate, wanted: list[str]) -> list[str]:
    """Those of `wanted` that the certificate does not stand for; a name of it may begin with `*.` (RFC 6125, 6.4.3)."""
    have = {name.lower() for name in names(found)}
    return [name for name in wanted if _plain(name) not in have and _starred(_plain(name)) not in have]


def is_authority(found: x509.Certificate) -> bool:
    """Whether it may sign others."""
    try:
        return found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def is_server(found: x509.Certificate) -> bool:
    """Whether it may be served: no extended key usage, or one that names servers."""
    try:
        usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.SERVER_AUTH in usage


def signed_by(found: x509.Certificate, signer: x509.Certificate) -> bool:
    """Whether `signer` issued `found`: names and signature."""
    try:
        found.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def subject(found: x509.Certificate) -> str:
    """What it calls itself."""
    return found.subject.rfc4514_string() or "the certificate"


def _plain(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower().rstrip(".")


def _starred(name: str) -> str:
    return "*." + name.partition(".")[2]
