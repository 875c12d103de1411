"""A machine's certificate and its key, as files that its owner renews: what TLS shows to a router that asks for it."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from ionman.errors import ConfigurationError


@dataclass(frozen=True)
class Identity:
    """PEM files: the certificate, with what is between it and its authority, and its private key."""

    certificate: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> None:
        """Have TLS show it; `ConfigurationError` for files that cannot be used."""
        for path in (self.certificate, self.key):
            if not path.is_file():
                raise ConfigurationError(f"the file {path} is not there", remedy="name the machine's PEM files")
        try:
            if self.key.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
                raise ConfigurationError(
                    f"{self.key} is open to everybody on this machine", remedy=f"chmod 600 {self.key}"
                )
            context.load_cert_chain(self.certificate, self.key, password=self._locked)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                why, remedy = "the key is another certificate's", "name the two that were made together"
            else:
                why, remedy = "they are no certificate and key", "both have to be PEM"
            raise ConfigurationError(f"{self.certificate} and {self.key}: {why}", remedy=remedy) from error
        except OSError as error:
            remedy = "look at its mode"
            raise ConfigurationError(
                f"{error.filename or self.key} cannot be read: {error.strerror}", remedy=remedy
            ) from error

    def _locked(self) -> str:
        raise ConfigurationError(
            f"the key {self.key} has a password, and nobody is there to type it", remedy="decrypt it: openssl pkey"
        )


def identity(certificate: Path | str | None, key: Path | str | None) -> Identity | None:
    """What these options stand for: the key may be in the certificate's file; None without any."""
    if not certificate:
        if key:
            raise ConfigurationError(f"{key} is the key of no certificate", remedy="name the certificate too")
        return None
    return Identity(Path(certificate), Path(key or certificate))


# The words of TLS (RFC 8446, 6.2) by which a router refuses a machine, as OpenSSL writes them -> what that means.
REFUSALS = {
    "CERTIFICATE_REQUIRED": (
        "it wants a certificate of this machine",
        "give one (certificate), or ask the router's other port",
    ),
    "UNKNOWN_CA": (
        "it does not trust the authority of this machine's certificate",
        "have it signed by the one in machines.ca",
    ),
    "DECRYPT_ERROR": (
        "the authority that it trusts did not sign this machine's certificate",
        "have it signed by the one in machines.ca",
    ),
    "CERTIFICATE_EXPIRED": ("this machine's certificate has expired", "renew it"),
    "BAD_CERTIFICATE": (
        "this machine's certificate is not valid, or not yet",
        "compare the clocks, or have it made anew",
    ),
    "UNSUPPORTED_CERTIFICATE": ("this machine's certificate is not made for clients", "have it made for clientAuth"),
    "CERTIFICATE_REVOKED": ("this machine's certificate was revoked", "have it made anew"),
    "CERTIFICATE_UNKNOWN": ("it does not take this machine's certificate", "have it made anew"),
}


def refusal(error: ssl.SSLError) -> tuple[str, str] | None:
    """Why the router refuses this machine, and what to do; None for another error of TLS."""
    word = (error.reason or "").partition("_ALERT_")[2]
    return REFUSALS.get(word)
