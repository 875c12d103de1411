"""Where what belongs to people lies on a router's host, below its layout."""

from dataclasses import dataclass
from pathlib import Path

from ionman.errors import ConfigurationError
from ionman.hosts.layout import Layout
from ionman.routers.people import SQLITE
from ionman.user import Settings

PROGRAM = "ionman-users"  # the program that answers for them


@dataclass(frozen=True)
class Place:
    """The files, and the account that owns them: Crossbar's, which has to see each credential anyway."""

    layout: Layout

    @property
    def settings(self) -> Path:
        """What the program and `ionman user` know; it may hold the database's password."""
        return self.layout.root / "etc/ionman/users/users.json"

    @property
    def state(self) -> Path:
        """The folder of the program's own: the database, if it is a file, and which changes were told."""
        return self.layout.root / "var/lib/ionman/users"

    @property
    def user(self) -> str | None:
        """The account; None: the caller's own."""
        return self.layout.router_user

    def url(self, database: str) -> str:
        """The address of the database that a description names."""
        return f"sqlite:///{self.state / 'users.db'}" if database == SQLITE else database

    def read(self) -> Settings:
        """The settings; `ConfigurationError` where there are none."""
        try:
            return Settings.read(self.settings.read_text())
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"this host keeps no users: {self.settings} is not there",
                remedy="set router_users in the inventory and deploy (docs/users.md); then ask on a router's host",
            ) from error
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigurationError(
                f"{self.settings} has another shape: {error!r}", remedy="let `ionman host apply` write it again"
            ) from error
