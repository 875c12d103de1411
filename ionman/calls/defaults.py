"""Who calls whom when the command line does not say: a file like a service's config.ini, read by ionman.settings."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ionman import settings
from ionman.calls.identity import Identity
from ionman.calls.login import Account
from ionman.errors import ConfigurationError


@dataclass(frozen=True)
class Defaults:
    """What a call needs; empty means not said. `key` is an Ed25519 seed in hex, `deadline` is in seconds."""

    routers: tuple[str, ...] = ("localhost:8443",)
    realm: str = "ionman"
    user: str = ""
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    certificate: Identity | None = None
    ca: Path | None = None
    deadline: float = 30.0

    def account(self) -> Account:
        """Who logs in; raises `ConfigurationError` when no user is named."""
        if not self.user:
            raise ConfigurationError("it is not said who calls", remedy="give --user, or a configuration with --config")
        return Account(self.realm, self.user, self.password, self.key, self.certificate)

    def override(self, values: Mapping[str, Any]) -> "Defaults":
        """These, with every value put in place that is not empty; another user has other secrets, a machine none."""
        given = {name: value for name, value in values.items() if value not in (None, "", ())}
        same = given.get("user", self.user) == self.user and "certificate" not in given
        secret = {} if same else {"password": "", "key": ""}
        return replace(self, **(secret | given))


def read(path: Path) -> Defaults:
    """The defaults that the file `path` holds: the keys of a config.ini, with `call_timeout` as the deadline.

    Raises `ConfigurationError` naming the file, the line and the key.
    """
    if not path.exists():
        raise ConfigurationError(f"{path}: the configuration is not there", remedy="write it as docs/call.md shows")
    found = settings.read(path, "call", os.environ)
    return Defaults(
        routers=tuple(str(router) for router in found.routers),
        realm=found.realm,
        user=found.user,
        password=found.password,
        key=found.key,
        ca=found.ca,
        deadline=found.call_timeout,
    )


def secret_file(path: Path) -> str:
    """The secret that is all of `path`, without the newline at its end; others must not be able to read it."""
    try:
        secret = path.read_text("utf-8").rstrip("\r\n")
        mode = path.stat().st_mode
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", remedy="look at its name and its mode") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigurationError(f"{path} is open to everybody on this machine", remedy=f"chmod 600 {path}")
    return secret
