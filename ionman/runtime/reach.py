"""Why a router could not be reached, in words."""

from OpenSSL import SSL
from twisted.internet import error
from twisted.python.failure import Failure

from ionman.certificates.refused import Reason, explain

WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (error.ConnectionRefusedError, "connection refused; nothing listens there"),
    (error.DNSLookupError, "the name cannot be resolved"),
    (error.TimeoutError, "no answer in time"),
    (error.NoRouteError, "no route to the host"),
    (error.ConnectionDone, "it closed the connection"),
    (error.ConnectionLost, "the connection was lost"),
    (error.ConnectionAborted, "the connection was given up, as it was silent"),
)


def cause(failure: Failure, reason: str = "", refused: int = 0) -> str:
    """Return why a connection failed or ended; `reason` is what the WebSocket layer says, and often knows better.

    `refused` is the X509_V_ERR_* code of a certificate that was refused.
    """
    value = failure.value
    if isinstance(value, SSL.Error):
        return _tls(value, refused)
    if "upgrade failed" in reason or "handshake" in reason.lower() or "ping timeout" in reason.lower():
        return reason.rstrip(".")
    for kind, words in WORDS:
        if isinstance(value, kind):
            return words
    return str(value) or type(value).__name__


def _tls(value: SSL.Error, refused: int) -> str:
    details = "; ".join(str(part[-1]) for part in (value.args[0] if value.args else []) if part)
    if refused or "certificate verify failed" in details:
        return _words(explain(refused, details))
    return f"TLS failed: {details or 'no details'}; is this a TLS port?"


def _words(why: Reason) -> str:
    return f"its TLS certificate {why.what}; {why.remedy}"
