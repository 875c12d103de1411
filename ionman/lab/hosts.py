"""Working with a standing lab from Python: run commands on its hosts, pull plugs, open doors."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ionman import process
from ionman.errors import Late, Unavailable
from ionman.lab import network, parts, place, ssh

if TYPE_CHECKING:
    import fabric


class Standing:
    """A lab that is up. Hosts are given by name, `host1`."""

    def __init__(self, lab: place.Lab | str) -> None:
        """`lab` is the lab or its name; raises `Unavailable` when there is none."""
        self.lab = place.load(lab) if isinstance(lab, str) else lab

    @property
    def directory(self) -> Path:
        """The lab's state directory."""
        return self.lab.directory

    @property
    def names(self) -> list[str]:
        """host1, host2, ..."""
        return self.lab.host_names

    @property
    def router_port(self) -> int:
        """The port on 127.0.0.1 behind which the router of host1 is."""
        return place.load(self.lab.name).forwards["router"]

    @property
    def github_url(self) -> str:
        """Base URL of the GitHub double; empty when the lab has none."""
        return place.load(self.lab.name).github.get("url", "")

    def connect(self, host: str) -> "fabric.Connection":
        """An open connection, with the lab's keys: `with lab.connect("host1") as one: one.run("uptime", hide=True)`.

        Another host key than the known one is refused. Raises `Unavailable` when the host does not answer.
        """
        import fabric  # noqa: PLC0415 - takes a quarter of a second, and commands do without
        import paramiko  # type: ignore[import-untyped] # noqa: PLC0415

        address = self.lab.host(host).address
        try:
            socket = network.connect(self.lab.namespace, address, 22, timeout=5)
        except OSError as error:
            raise Unavailable(
                f"{host} of lab {self.lab.name} does not answer: {error}", remedy=f"ionman lab up {self.lab.name}"
            ) from error
        # The socket was made inside; the ProxyCommand of the configuration would be a process for each connection.
        config = fabric.Config(
            overrides={"run": {"in_stream": False}},  # nothing on a host reads this terminal
            runtime_ssh_path=str(ssh.directory(self.lab) / "config"),
        )
        connection = fabric.Connection(host, config=config, gateway=False, connect_kwargs={"sock": socket})
        connection.client.set_missing_host_key_policy(paramiko.RejectPolicy())
        connection.client.load_host_keys(str(ssh.directory(self.lab) / "known_hosts"))
        return connection

    def ssh_command(self, host: str, *command: str) -> list[str | Path]:
        """`ssh` to the host, with the lab's configuration."""
        return ["ssh", "-F", ssh.directory(self.lab) / "config", self.lab.host(host).name, *command]

    def is_up(self, host: str) -> bool:
        """Whether the host runs and its SSH server greets."""
        return parts.answers(self.lab, host)

    def stop(self, host: str, timeout: float = 30) -> None:
        """Power the host off in order, as `poweroff` on it does; a host that is off stays so."""
        if not parts.running(self.lab, self.lab.host(host).name):
            return
        process.run(self.ssh_command(host, "systemctl", "poweroff"), check=False, timeout=timeout)
        deadline = time.monotonic() + timeout
        while parts.running(self.lab, host):
            if time.monotonic() > deadline:
                raise Late(f"{host} of lab {self.lab.name} is still on after {timeout:g} s")
            time.sleep(0.1)
        ssh.hang_up(self.lab, host)

    def kill(self, host: str) -> None:
        """Pull the plug: every process of the host ends at once, nothing is written any more."""
        with place.lock(self.lab.name):
            parts.kill_host(self.lab, self.lab.host(host).name)

    def start(self, host: str) -> None:
        """Boot the host and wait for its SSH server; a host that is on is left alone."""
        with place.lock(self.lab.name):
            if not self.is_up(host):
                parts.start_host(self.lab, self.lab.host(host).name)
                parts.wait_host(self.lab, host)

    def reboot(self, host: str) -> None:
        """Reboot the host in order and wait for its SSH server."""
        self.stop(host)
        self.start(host)

    def cut(self, host: str) -> None:
        """Cut the host's network cable; what it sends and what is sent to it is lost."""
        self._cable(host, up=False)

    def heal(self, host: str) -> None:
        """Mend the cable."""
        self._cable(host, up=True)

    def _cable(self, host: str, *, up: bool) -> None:
        if not network.link(self.lab.namespace, f"vb-{self.lab.host(host).name}", up=up):
            remedy = f"ionman lab start {self.lab.name} {host}"
            raise Unavailable(f"{host} of lab {self.lab.name} is off", remedy=remedy)

    def forward(self, name: str, host: str, port: int) -> int:
        """Open (once) a door called `name` to a port of a host; returns its port on 127.0.0.1."""
        with place.lock(self.lab.name):
            lab = place.load(self.lab.name)
            if lab.targets.get(name) != (host, port) or not parts.running(lab, f"forward-{name}"):
                lab = place.change(lab, targets={**lab.targets, name: (self.lab.host(host).name, port)})
                lab = parts.start_forward(lab, name)
            self.lab = lab
        return lab.forwards[name]

    def unforward(self, name: str) -> None:
        """Close that door again."""
        with place.lock(self.lab.name):
            self.lab = parts.end_forward(place.load(self.lab.name), name)
