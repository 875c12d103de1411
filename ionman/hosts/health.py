"""Whether a router answers: one HTTPS request, and a look at the certificate it shows."""

import http.client
import ssl
from pathlib import Path

from ionman.errors import InputError
from ionman.host import Missing

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach what listens everywhere


def pair(certificate: Path, key: Path) -> None:
    """Refuse a certificate and a key that cannot be read or do not belong together."""
    for name, path in (("certificate", certificate), ("key", key)):
        if not path.is_file():
            raise Missing(f"router.{name}: {path} is not there", remedy="roles/certificate puts it there")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise InputError(
            f"router.certificate: {certificate} and {key} cannot be used together: {error}",
            remedy="both are PEM, the key without a passphrase and the one that the certificate was made for",
        ) from error


def problem(address: str, port: int, certificate: Path, timeout: float = 2.0) -> str:
    """Why the router is not up with `certificate`; empty when GET /health answers 200."""
    # Not verified against a CA, but compared with the very certificate that it must show: nobody else has its key.
    connection = http.client.HTTPSConnection(ANY.get(address, address), port, timeout=timeout, context=_unverified())
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        if shown != leaf(certificate):
            return f"port {port} shows another certificate than {certificate}"
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"https://{address}:{port}/health: {error}"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"https://{address}:{port}/health answers {status}"


def silent(address: str, port: int, timeout: float) -> str:
    """Why the router does not answer GET /health over TLS, whatever certificate it shows; empty when it does."""
    connection = http.client.HTTPSConnection(ANY.get(address, address), port, timeout=timeout, context=_unverified())
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"it answers {status}"


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def leaf(certificate: Path) -> bytes:
    """The first certificate of a PEM file, in DER."""
    text = certificate.read_text()
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end) + len(end)])
