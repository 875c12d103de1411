"""What makes a host of the base image: its name, address, keys, and the absence of a way to Debian's mirrors."""

import shutil
from pathlib import Path

from ionman import process
from ionman.lab import network, place

_NETWORK = f"""\
[Match]
Name=host0

[Network]
Address={{address}}/{network.PREFIX}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
_SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
MaxStartups 100
"""


def files(lab: place.Lab, host: place.Host, key: str) -> dict[str, str]:
    """Path in the host -> text; `key` is the public key that may log in as root."""
    names = "".join(f"{each.address}\t{each.name} {each.name}.lab\n" for each in lab.hosts)
    return {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": f"127.0.0.1\tlocalhost\n{names}",
        "etc/apt/sources.list": "# the lab has no route to Debian's mirrors\n",
        "etc/resolv.conf": "# the lab has no name server: names are in /etc/hosts\n",
        "etc/systemd/network/10-lab.network": _NETWORK.format(address=host.address),
        "etc/ssh/sshd_config.d/lab.conf": _SSHD,
        "root/.ssh/authorized_keys": key,
    }


def make(lab: place.Lab, host: place.Host, key: str) -> bool:
    """Make the host's disk in one step; True when there was none. Its SSH host key is made here, once."""
    disk = lab.directory / "hosts" / host.name
    if disk.is_dir():
        return False
    draft = disk.with_name(f".{host.name}")
    if draft.exists():
        shutil.rmtree(draft)
    upper = draft / "upper"
    for part in (upper, draft / "work", draft / "root"):
        part.mkdir(parents=True)
    upper.chmod(0o755)
    for path, text in files(lab, host, key).items():
        _put(upper, Path(path), text)
    keyfile = upper / "etc/ssh/ssh_host_ed25519_key"
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", keyfile])
    draft.rename(disk)
    return True


def _put(upper: Path, path: Path, text: str) -> None:
    """Write a file of the host; directories get the modes that Debian gives them."""
    for parent in reversed((upper / path).parents):
        if not parent.exists():
            parent.mkdir(mode=0o700 if "root" in parent.relative_to(upper).parts else 0o755)
    (upper / path).write_text(text)
    (upper / path).chmod(0o600 if path.parts[0] == "root" else 0o644)


def host_key(lab: place.Lab, host: str) -> str:
    """The host's public SSH key, `ssh-ed25519 AAAA...`."""
    text = (lab.directory / "hosts" / host / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text()
    return " ".join(text.split()[:2])
