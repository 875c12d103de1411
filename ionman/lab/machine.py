"""The process behind one lab host: holds its disk, runs systemd-nspawn, and runs it again when the host reboots.

Started as `python -m ionman.lab.machine LAB HOST`. The disk is mounted in a mount namespace of this process, so it is
unmounted with the last process of the host, however that ends. Ends when the host is powered off.
"""

import sys
from pathlib import Path

from ionman import process
from ionman.lab import cgroup, kernel, network, place

REBOOT = 133  # systemd-nspawn(1): the container was asked to reboot, and --keep-unit leaves that to its caller
_RUN = Path("/run/systemd/nspawn")


def command(lab: place.Lab, host: str, root: Path) -> list[str | Path]:
    """What boots `root` as `host` of `lab`."""
    return network.inside(
        lab.namespace,
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={root}",
        f"--machine={host}",
        f"--hostname={host}",
        "--register=no",
        "--keep-unit",
        f"--network-bridge={network.BRIDGE}",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--settings=no",
        "--console=read-only",
        "--kill-signal=SIGRTMIN+3",
    )


def mount(lab: place.Lab, host: str) -> Path:
    """The host's disk, mounted for this process only: the base image below, the host's own changes above."""
    disk = lab.directory / "hosts" / host
    kernel.private_mounts()
    kernel.overlay(Path(lab.base), disk / "upper", disk / "work", disk / "root")
    # nspawn leaves lock files behind when it is killed; here they vanish with the mount.
    _RUN.mkdir(parents=True, exist_ok=True)
    kernel.mount("tmpfs", _RUN, "tmpfs", data="mode=0755")
    return disk / "root"


def main(name: str, host: str) -> int:
    """Boot until the host is powered off; returns nspawn's status."""
    lab = place.load(name)
    boot = command(lab, host, mount(lab, host))
    status = REBOOT
    while status == REBOOT:
        with cgroup.inside(f"{name}/{host}"):
            machine = process.start(
                boot,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdout=None,
                die_with_parent=True,
            )
        status = machine.wait()
        network.wait_gone(lab.namespace, f"vb-{host}")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
