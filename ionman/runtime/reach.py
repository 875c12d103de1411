"""Why a router could not be reached, in words."""

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.python.failure import Failure

WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (error.ConnectionRefusedError, "connection refused; nothing listens there"),
    (error.DNSLookupError, "the name cannot be resolved"),
    (error.TimeoutError, "no answer in time"),
    (error.NoRouteError, "no route to the host"),
    (VerificationError, "its TLS certificate is for another name"),
    (error.ConnectionDone, "it closed the connection"),
    (error.ConnectionLost, "the connection was lost"),
    (error.ConnectionAborted, "the connection was given up, as it was silent"),
)


def cause(failure: Failure, reason: str = "") -> str:
    """Return why a connection failed or ended; `reason` is what the WebSocket layer says, and often knows better."""
    value = failure.value
    if isinstance(value, SSL.Error):
        return _tls(value)
    if isinstance(value, VerificationError):
        return "its TLS certificate is for another name; reach it by a name in the certificate"
    if "upgrade failed" in reason or "handshake" in reason.lower() or "ping timeout" in reason.lower():
        return reason.rstrip(".")
    for kind, words in WORDS:
        if isinstance(value, kind):
            return words
    return str(value) or type(value).__name__


def _tls(value: SSL.Error) -> str:
    details = "; ".join(str(part[-1]) for part in (value.args[0] if value.args else []) if part)
    if "certificate verify failed" in details:
        return "its TLS certificate is not from an authority that is trusted here; set ca to the authority's file"
    return f"TLS failed: {details or 'no details'}; is this a TLS port?"
