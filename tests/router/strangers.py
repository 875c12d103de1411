"""Servers that nobody may trust, each with one fault of its certificate, and one that is right: for who connects."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ionman import certificate

NAME = "localhost"
TRUSTED = certificate.authority("trusted")
DAY = timedelta(days=1)


def pairs(now: datetime | None = None) -> Mapping[str, certificate.Pair]:
    """A server's pair for each fault, and `right`."""
    now = now or datetime.now(UTC)
    return {
        "right": certificate.leaf(TRUSTED, [NAME]),
        "wrong authority": certificate.leaf(certificate.authority("stranger"), [NAME]),
        "wrong name": certificate.leaf(TRUSTED, ["elsewhere.example.org"]),
        "expired": certificate.leaf(TRUSTED, [NAME], now=now - 200 * DAY),
        "not yet valid": certificate.leaf(TRUSTED, [NAME], now=now + 2 * DAY),
        "self-signed": certificate.authority(NAME),
    }


# What is said of each, by everybody: ionman/certificates/refused.py
WORDS = {
    "wrong authority": "certificate is from another authority than those that are trusted here",
    "wrong name": "certificate is made out for other names",
    "expired": "certificate has expired",
    "not yet valid": "certificate is not valid yet",
    "self-signed": "certificate is self-signed",
}


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, int]]:
    """The port of 127.0.0.1 that each of them listens on; in `folder` is `ca.pem`, what is to be trusted."""
    (folder / "ca.pem").write_bytes(TRUSTED.certificate)
    ports, listeners = {}, []
    for number, (fault, pair) in enumerate(pairs().items()):
        (folder / f"{number}.pem").write_bytes(pair.certificate + pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{number}.pem")
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=_serve, args=(listener, context), daemon=True).start()
        listeners.append(listener)
        ports[fault] = listener.getsockname()[1]
    try:
        yield ports
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
            listener.close()


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed: the test is over
        connection.settimeout(5)
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as spoken:
            spoken.recv(4096)
