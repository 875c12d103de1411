"""Lets machines in by a certificate of their own: who they are is a name in it, which one authority vouches for.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands. It takes the place of Crossbar's own `tls` (26.10.1, crossbar/router/auth/tls.py), which
knows a certificate by its SHA-1 alone, so that each renewal would be a change of the configuration, and does not ask
which realm a user belongs to. It also takes what Autobahn tells of a certificate: alternative names come as one text
there, in which a name could pretend to be two.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autobahn.twisted import websocket  # noqa: TID251 - runs in Crossbar, not in ionman
from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251
from autobahn.wamp.types import Deny  # noqa: TID251
from crossbar.router.auth import AUTHMETHOD_MAP
from crossbar.router.auth.pending import PendingAuth
from crossbar.router.auth.tls import PendingAuthTLS
from cryptography import x509
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.ssl import Certificate, trustRootFromCertificates  # noqa: TID251
from twisted.logger import Logger  # noqa: TID251

MARK = b"-----END CERTIFICATE-----"
# OpenSSL's X509_V_ERR_* (openssl/x509_vfy.h).
WORDS = {
    7: "is not signed by whom it says",
    9: "is not valid yet",
    10: "has expired",
    **dict.fromkeys((18, 19, 20, 21), "is from no authority that is trusted here"),
    26: "is not made for a client",
}

log = Logger(namespace="ionman")


def demanding(options: Any, authorities: Sequence[Path]) -> Any:
    """Crossbar's TLS `options` for a listener, which lets in whom one of `authorities` (PEM files) has signed.

    Crossbar reads the first certificate of each file only: while an authority is changed, there are two in one.
    """
    if not authorities:
        return options
    parts = [part + MARK for path in authorities for part in path.read_bytes().split(MARK)[:-1]]
    options.trustRoot = trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
    options.getContext().set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _tell)
    return options


def _tell(connection: Any, certificate: Any, code: int, depth: int, good: int) -> bool:
    """Leave the decision to OpenSSL, and say why it refuses: the peer is told a word of TLS only."""
    del connection, depth
    if not good:
        why = WORDS.get(code, f"is refused (X509_V_ERR {code})")
        log.warn("a machine is not let in: the certificate of {name} {why}", name=_subject(certificate), why=why)
    return bool(good)


def _subject(certificate: Any) -> str:
    try:
        return str(certificate.to_cryptography().subject.rfc4514_string())[:200]
    except ValueError:
        return "somebody"


def names(certificate: x509.Certificate) -> list[str]:
    """Whom the certificate is made out for: its DNS names; only where it has no alternative names, its common name."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(one.value).lower() for one in common] if len(common) == 1 else []
    return [name.lower() for name in found.get_values_for_type(x509.DNSName)]


def shown(transport: Any) -> dict[str, Any] | None:
    """What is kept of the certificate that a peer has shown: in `peer_cert` of its transport's details."""
    certificate = transport.getPeerCertificate() if hasattr(transport, "getPeerCertificate") else None
    if certificate is None:
        return None
    try:
        return {"names": names(certificate.to_cryptography())}
    except (ValueError, x509.DuplicateExtension):  # OpenSSL took it, and it cannot be read
        return {"names": []}


class Machine(PendingAuthTLS):
    """One login by certificate. Of `_config`, `principals`: user -> its certificate's name, its realm, its role."""

    def __init__(self, session: int, transport: Any, realms: Any, config: dict[str, Any]) -> None:
        PendingAuth.__init__(self, session, transport, realms, config)  # not Crossbar's own, which looks for SHA-1
        self._names = (transport.peer_cert or {}).get("names", [])

    def hello(self, realm: str, details: Any) -> Any:
        """Begin, and end: TLS has proven who it is. Who does not say which user it is, is the only one it can be."""
        known = self._config["principals"].items()
        fits = {user: one["role"] for user, one in known if one["realm"] == realm and one["certificate"] in self._names}
        user = details.authid or next(iter(fits), None)
        if user not in fits:
            named = ", ".join(self._names) or "nobody"
            who = f"{user} of the realm {realm}" if user else f"any machine of the realm {realm}"
            return Deny(message=f"the certificate is made out for {named}, and not for {who}")
        self._realm, self._authid, self._authprovider = realm, user, "static"
        return self._assign_principal({"role": fits[user]}) or self._accept()


class Machines(ApplicationSession):
    """Crossbar's component: it starts before anything listens, so it need not do anything but be there."""


AUTHMETHOD_MAP["tls"] = Machine
_autobahn: Any = websocket
assert callable(_autobahn.extract_peer_certificate), "Autobahn has it elsewhere"
_autobahn.extract_peer_certificate = shown
