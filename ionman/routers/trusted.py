"""TLS of a link: trusts a router by its name and its chain, and remembers what was wrong with them.

This file runs inside Crossbar's worker, beside ionman_link.py, in an environment without ionman.
"""
# ruff: noqa: TID251 - it runs in Crossbar, not in ionman

from collections.abc import Callable
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from zope.interface import implementer


@implementer(IStreamClientEndpoint)
class Way:
    """An endpoint that tells why it could not connect."""

    def __init__(self, wrapped: Any, failed: Callable[[Any], None]) -> None:
        self._wrapped, self._failed = wrapped, failed

    def connect(self, factory: Any) -> Any:
        """Connect, and pass a failure on both ways."""

        def tell(failure: Any) -> Any:
            self._failed(failure)
            return failure

        return self._wrapped.connect(factory).addErrback(tell)


@implementer(IOpenSSLClientConnectionCreator)
class Trusted:
    """Trusts a certificate that an authority in the PEM file `ca` signed for `host`; `refused` is what was wrong.

    The file is read at each attempt, for it may have been replaced. The codes are OpenSSL's X509_V_ERR_*.
    """

    def __init__(self, host: str, ca: str) -> None:
        self._host, self._ca = host, Path(ca)
        self.refused = 0

    def clientConnectionForTLS(self, tls: Any) -> Any:  # noqa: N802 - Twisted's name
        """Make a connection that verifies chain and name."""
        mark = b"-----END CERTIFICATE-----"
        parts = [part + mark for part in self._ca.read_bytes().split(mark) if b"-----BEGIN CERTIFICATE-----" in part]
        trusted = trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
        self.refused = 0
        options: Any = optionsForClientTLS(self._host, trustRoot=trusted)
        connection = options.clientConnectionForTLS(tls)
        # Twisted's own callback, which this replaces, verifies the name and does not tell what it found.
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def _verify(self, connection: Any, certificate: Any, code: int, depth: int, good: int) -> bool:
        del connection
        if not good:
            self.refused = code
        elif depth == 0:
            self.refused = self._misnamed(certificate.to_cryptography())
        return not self.refused

    def _misnamed(self, certificate: Any) -> int:
        address = isIPAddress(self._host) or isIPv6Address(self._host)
        try:
            (verify_certificate_ip_address if address else verify_certificate_hostname)(certificate, self._host)
        except (VerificationError, CertificateError):
            return 64 if address else 62
        return 0
