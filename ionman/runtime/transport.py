"""The way to one router: TCP, TLS with name and chain verified, WebSocket at /ws, CBOR and nothing else."""

from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WampWebSocketClientFactory, WampWebSocketClientProtocol
from autobahn.wamp.serializer import CBORSerializer
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from zope.interface import implementer

from ionman.certificates.fresh import Fresh
from ionman.certificates.refused import OTHER_ADDRESSES, OTHER_NAMES
from ionman.errors import ConfigurationError
from ionman.settings import Router, Settings

CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
MOST_RECEIVED = 16 << 20  # octets: the most that Crossbar can be told to pass on
# A router that is silent is noticed after interval + timeout (s); Autobahn pings only while nothing else arrives.
# A module that calls is a caller too, and goes on on another router then.
PINGS = {"autoPingInterval": 2.0, "autoPingTimeout": 3.0, "autoPingRestartOnAnyTraffic": True}


class _Protocol(WampWebSocketClientProtocol):
    """Tells the connection why it ended."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        super().connectionLost(reason)
        self.factory.lost(reason, str(self.wasNotCleanReason or ""))


@implementer(IStreamClientEndpoint)
class _Watched:
    """An endpoint that tells why it could not connect, and for what a certificate was refused (X509_V_ERR_*)."""

    def __init__(self, wrapped: Any, failed: Callable[[Failure], None], checked: "_Checked | None" = None) -> None:
        self._wrapped = wrapped
        self._failed = failed
        self._checked = checked

    @property
    def refused(self) -> int:
        """The verification error of the last certificate, 0 for none."""
        return self._checked.refused if self._checked is not None else 0

    def connect(self, factory: Any) -> "Deferred[Any]":
        """Connect, and pass a failure on both ways."""

        def tell(failure: Failure) -> Failure:
            self._failed(failure)
            return failure

        return self._wrapped.connect(factory).addErrback(tell)


@implementer(IOpenSSLClientConnectionCreator)
class _Checked:
    """Verifies chain and name, and remembers why it refused: the error that OpenSSL ends with does not tell.

    `wrapped` is asked for each connection: the CA file may have been replaced since the last one.
    """

    def __init__(self, host: str, wrapped: Callable[[], Any]) -> None:
        self._host = host
        self._wrapped = wrapped
        self.refused = 0

    def clientConnectionForTLS(self, tls: Any) -> Any:  # noqa: N802 - Twisted's name
        """Make the connection that `wrapped` makes, verified here."""
        self.refused = 0
        connection = self._wrapped().clientConnectionForTLS(tls)
        # This replaces Twisted's own callback, which is where Twisted (26.10) verifies the name: so that is done here.
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, self._verify)
        return connection

    def _verify(self, connection: Any, certificate: Any, code: int, depth: int, good: int) -> bool:
        del connection
        if not good:
            self.refused = code
        elif depth == 0:
            self.refused = misnamed(certificate.to_cryptography(), self._host)
        return not self.refused


def misnamed(certificate: Any, host: str) -> int:
    """The X509_V_ERR_* code of a certificate that does not stand for `host`, a name or an address; 0 for one that does.

    As RFC 6125 has it: the subject's common name counts for nothing.
    """
    address = isIPAddress(host) or isIPv6Address(host)
    try:
        (verify_certificate_ip_address if address else verify_certificate_hostname)(certificate, host)
    except (VerificationError, CertificateError):  # the latter: it has no name at all
        return OTHER_ADDRESSES if address else OTHER_NAMES
    return 0


def endpoint(router: Router, settings: Settings, clock: Any, failed: Callable[[Failure], None]) -> Any:
    """Return the endpoint of `router`; `failed` is told why a connection could not be made."""
    plain: Any = HostnameEndpoint(clock, router.host, router.port, timeout=CONNECT_SECONDS)
    if not settings.tls:
        return _Watched(plain, failed)
    trusted = Fresh(settings.ca, lambda: trust(settings))
    checked: Any = _Checked(router.host, lambda: optionsForClientTLS(router.host, trustRoot=trusted.now()))
    return _Watched(wrapClientTLS(checked, plain), failed, checked)


def factory(
    router: Router, settings: Settings, session: Callable[[], Any], lost: Callable[[Failure, str], None]
) -> Any:
    """Return the WebSocket factory; `lost` is told how each connection ended, and what WebSocket says of it."""
    made: Any = WampWebSocketClientFactory(
        session, url=f"{'wss' if settings.tls else 'ws'}://{router}/ws", serializers=[CBORSerializer()]
    )
    made.protocol = _Protocol
    made.lost = lost
    made.setProtocolOptions(
        openHandshakeTimeout=CONNECT_SECONDS,
        closeHandshakeTimeout=CLOSE_SECONDS,
        maxMessagePayloadSize=MOST_RECEIVED,
        maxFramePayloadSize=MOST_RECEIVED,
        tcpNoDelay=True,
        **PINGS,
    )
    return made


def trust(settings: Settings) -> Any:
    """Return the certificates that routers' certificates must descend from; raises `ConfigurationError`."""
    if settings.ca is None:
        return platformTrust()
    mark = b"-----END CERTIFICATE-----"
    parts = [part + mark for part in settings.ca.read_bytes().split(mark) if b"-----BEGIN CERTIFICATE-----" in part]
    try:
        return trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
    except crypto.Error as error:
        raise ConfigurationError(
            f"{settings.path}: ca: {settings.ca} holds a certificate that cannot be read",
            remedy="set ca to a PEM file of the authority that signed the routers' certificates",
        ) from error
