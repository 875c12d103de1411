"""Where everything lies on a host, below one root.

The root is `/` on a host that Ansible drives, and any folder for the single-machine form: there, programs run as the
calling user and without the confinement that needs root.
"""

from dataclasses import dataclass, field
from pathlib import Path

SOCKET_PATH_LIMIT = 107  # sun_path of unix(7) is 108 bytes with its final NUL
ROUTER = "router"  # the name of the program that runs Crossbar
WATCH = "ionman-watch"  # of the one that watches the router
METRICS = "ionman-metrics"  # of the one that tells the host's figures


def _system_python() -> Path:
    """The Python of the system, which outlives every package below /opt; it runs the log relay."""
    return Path("/usr/bin/python3")


@dataclass(frozen=True)
class Layout:
    """Paths and accounts; `confined` says whether programs get accounts of their own and a read-only root."""

    root: Path = Path("/")
    python: Path = field(default_factory=_system_python)

    @property
    def confined(self) -> bool:
        """Whether this is a host of its own rather than a folder of somebody's."""
        return self.root == Path("/")

    # --- accounts, declared by the packages' sysusers.d ---------------------------------------------------------

    def user(self, app: str) -> str | None:
        """The account (and group) that application `app` runs as; None: the caller's own."""
        return f"ionman-{app}" if self.confined else None

    @property
    def router_user(self) -> str | None:
        """The account that Crossbar runs as; None: the caller's own."""
        return "ionman-router" if self.confined else None

    @property
    def log_user(self) -> str | None:
        """The account that writes logs, so that no service can change its own; None: the caller's own."""
        return "ionman-log" if self.confined else None

    @property
    def metrics_user(self) -> str | None:
        """The account of what answers to Prometheus on the network; None: the caller's own."""
        return "ionman-metrics" if self.confined else None

    # --- what packages bring ------------------------------------------------------------------------------------

    def release(self, app: str, version: str) -> Path:
        """The folder of one installed version: `venv`, `app`, `build.json`."""
        return self.root / "opt" / app / version

    # --- configuration ------------------------------------------------------------------------------------------

    @property
    def configuration(self) -> Path:
        """The folder of all services' configurations: <service>/<generation>/config.ini."""
        return self.root / "etc/ionman/service"

    def generation(self, service: str, generation: str) -> Path:
        """The folder with the configuration of one generation."""
        return self.configuration / service / generation

    @property
    def router_configuration(self) -> Path:
        """The folder with Crossbar's config.json."""
        return self.root / "etc/ionman/router"

    @property
    def router_proven(self) -> Path:
        """The folder with what the router last came up with: its files, its program's files and its parts."""
        return self.router_configuration / "proven"

    @property
    def router_state(self) -> Path:
        """The folder of what the router keeps: its salt, and Crossbar's own folder for each version."""
        return self.root / "var/lib/ionman/router"

    def crossbar_state(self, version: str) -> Path:
        """The folder (CBDIR) of one version of Crossbar: another one may not be able to read what it writes there."""
        return self.router_state / version

    @property
    def ca(self) -> Path:
        """The CA bundle that services trust."""
        return self.root / "etc/ionman/ca.pem"

    # --- programs -----------------------------------------------------------------------------------------------

    @property
    def scanned(self) -> Path:
        """The folder that svscan looks at: symbolic links to program folders."""
        return self.root / "etc/service"

    @property
    def programs(self) -> Path:
        """The folder of all program folders."""
        return self.root / "var/lib/ionman/supervise"

    def program(self, program: str) -> Path:
        """The folder of one supervised program."""
        return self.programs / program

    @property
    def states(self) -> Path:
        """The folder of the services' own data, kept across generations."""
        return self.root / "var/lib/ionman/state"

    @property
    def records(self) -> Path:
        """The folder of what is remembered: history.jsonl, and of each service <generation>.json."""
        return self.root / "var/lib/ionman/record"

    @property
    def logs(self) -> Path:
        """The folder of all logs, one folder for each program."""
        return self.root / "var/log/ionman"

    @property
    def runs(self) -> Path:
        """The folder of the programs' run folders, gone after a reboot."""
        return self.root / "run/ionman"

    def control(self, program: str) -> Path:
        """The control socket of one instance."""
        return self.runs / program / "control.sock"

    @property
    def door(self) -> Path:
        """The socket by which this host comes into its own router."""
        return self.runs / ROUTER / "door.sock"

    @property
    def lock(self) -> Path:
        """The file that one apply at a time holds."""
        return self.runs / "apply.lock"
