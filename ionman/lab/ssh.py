"""The lab's SSH: a key pair of its own, host keys known beforehand, a configuration that enters the namespace."""

import contextlib
from pathlib import Path

from ionman import process
from ionman.lab import disk, network, place

_ALL = """\
Host *
  User root
  IdentityFile {directory}/id_ed25519
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  BatchMode yes
  ConnectTimeout 10
  ServerAliveInterval 15
  LogLevel ERROR
  ControlPath {directory}/%h-%r
"""
_HOST = """\
Host {name} {name}.lab
  HostName {address}
  HostKeyAlias {name}
  ProxyCommand {proxy}
"""


def directory(lab: place.Lab) -> Path:
    """Where the key pair, `known_hosts`, `config` and the sockets of shared connections are."""
    return lab.directory / "ssh"


def config(lab: place.Lab) -> str:
    """ssh_config(5) of the lab."""
    parts = []
    for host in lab.hosts:
        proxy = network.inside(lab.namespace, "socat", "STDIO", f"TCP:{host.address}:22,connect-timeout=10")
        parts.append(_HOST.format(name=host.name, address=host.address, proxy=" ".join(map(str, proxy))))
    return "\n".join([*parts, _ALL.format(directory=directory(lab))])


def public_key(lab: place.Lab) -> str:
    """The key that may log in to every host, made when there is none."""
    key = directory(lab) / "id_ed25519"
    directory(lab).mkdir(mode=0o700, parents=True, exist_ok=True)
    if not key.with_suffix(".pub").exists():
        key.unlink(missing_ok=True)
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab {lab.name}", "-f", key])
    return key.with_suffix(".pub").read_text()


def write(lab: place.Lab) -> None:
    """Write `known_hosts` and `config`."""
    names = {host.name: f"{host.name},{host.name}.lab,{host.address}" for host in lab.hosts}
    known = "".join(f"{words} {disk.host_key(lab, host)}\n" for host, words in names.items())
    for name, text in (("known_hosts", known), ("config", config(lab))):
        path = directory(lab) / name
        if not path.exists() or path.read_text() != text:
            place.write(path, text)


def hang_up(lab: place.Lab, host: str = "") -> None:
    """End the connections that ssh keeps open for later commands (ControlPersist), to all hosts or to one.

    One to a host that was killed would make the next command wait for its timeout.
    """
    for socket in directory(lab).glob(f"{lab.host(host).address}-*" if host else "*"):
        if socket.is_socket():
            with contextlib.suppress(FileNotFoundError):
                process.run(["ssh", "-F", "none", "-O", "exit", "-o", f"ControlPath={socket}", "lab"], check=False)
