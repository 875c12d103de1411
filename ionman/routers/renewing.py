"""Serves a renewed certificate from the next connection on, without a restart and without the loss of a connection.

This file runs inside Crossbar's worker, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands. Crossbar (26.10.1) reads its TLS files once, in `_create_tls_server_context`; what that
gives is wrapped here in something that looks for other files whenever somebody connects. Who is connected stays so.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from autobahn.twisted.wamp import ApplicationSession  # noqa: TID251 - runs in Crossbar, not in ionman
from crossbar.common.twisted import endpoint
from ionman_machines import demanding
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator  # noqa: TID251
from twisted.logger import Logger  # noqa: TID251
from zope.interface import implementer

log = Logger(namespace="ionman")


@implementer(IOpenSSLServerConnectionCreator)
class Renewing:
    """Crossbar's TLS as the files at `paths` have it now; `make` reads them.

    Files that do not belong together, as in the moment between two of them, leave what was read before.
    """

    def __init__(self, make: Callable[[], Any], paths: Iterable[Path]) -> None:
        self._make, self._paths = make, list(paths)
        self._seen = self._versions()
        self._options = make()
        self._told: Any = None

    def serverConnectionForTLS(self, protocol: Any) -> Any:  # noqa: N802 - Twisted's name
        """A connection's TLS."""
        self._look()
        return self._options.serverConnectionForTLS(protocol)

    def _look(self) -> None:
        seen = self._versions()
        if seen == self._seen:
            return
        try:
            made = self._make()
            made.getContext()  # refuses a key that is not the certificate's
        except (OSError, ValueError, SSL.Error, crypto.Error) as error:
            if self._told != seen:
                self._told = seen
                log.warn("the new certificate cannot be used ({why!r}): the old one is served", why=error)
            return
        self._options, self._seen = made, seen
        log.info("a new certificate is served")

    def _versions(self) -> list[tuple[int, int] | None]:
        """What differs when a file was replaced: the time of a change cannot be set back."""
        return [_version(path) for path in self._paths]


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def renewing(create: Callable[..., Any]) -> Callable[..., Any]:
    """Crossbar's `_create_tls_server_context`, with a result that follows its files."""

    def wrapped(config: Any, cbdir: str, log: Any) -> Any:
        names = [config["key"], config["certificate"], *config.get("chain_certificates", ())]
        asked = [Path(cbdir, name) for name in config.get("ca_certificates", ())]
        paths = [*(Path(cbdir, name) for name in names), *asked]
        return Renewing(lambda: demanding(create(config, cbdir, log), asked), paths)

    return wrapped


class Certificates(ApplicationSession):
    """Crossbar's component: it starts before anything listens, so it need not do anything but be there."""


endpoint._create_tls_server_context = renewing(endpoint._create_tls_server_context)
