"""Whether this machine can have lab hosts, and if not, why and what to do."""

import os
import shutil
import tempfile
from pathlib import Path

from ionman import process
from ionman.errors import NotPossible
from ionman.lab import cgroup, place

TOOLS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "socat": "socat",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}


def possible() -> str:
    """Why lab hosts are impossible here and what to do about it; empty when they are possible."""
    if not hasattr(os, "pidfd_open"):
        return "lab hosts need Linux"
    if os.geteuid() != 0:
        return "lab hosts need root: run it as root"
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    if missing:
        return f"tools are missing: apt-get install {' '.join(missing)}"
    return _cgroups() or _namespaces()


def demand() -> None:
    """Raise `NotPossible` with the reason when lab hosts are impossible here."""
    if reason := possible():
        what, _, remedy = reason.partition(": ")
        raise NotPossible(f"lab hosts are not possible on this machine: {what}", remedy=remedy)


def demand_root() -> None:
    """Raise `NotPossible` for a user who cannot touch labs."""
    if os.geteuid() != 0:
        raise NotPossible("labs belong to root", remedy="run it as root")


def _cgroups() -> str:
    found = cgroup.hierarchies()
    if not any((path / "cgroup.controllers").exists() for path in found):
        return "there is no cgroup2 file system: mount one on /sys/fs/cgroup, as systemd does"
    for path in found:
        if not os.access(path, os.W_OK) or os.statvfs(path).f_flag & os.ST_RDONLY:
            return f"{path} cannot be written: give this container control groups of its own, or take a machine"
    return ""


def _namespaces() -> str:
    """Try what a host needs: namespaces, and an overlay on the file system that keeps the labs."""
    place.STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in place.STATE.glob(".try-*"):  # a kill can leave one
        if not Path("/proc", old.name.split("-")[1]).exists():
            shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix=f".try-{os.getpid()}-", dir=place.STATE) as name:
        lower, upper, work, target = (Path(name) / part for part in ("lower", "upper", "work", "root"))
        for path in (lower, upper, work, target):
            path.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        overlay: list[str | Path] = ["mount", "-t", "overlay", "overlay", "-o", options, target]
        done = process.run(["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", *overlay], check=False)
    if done.returncode != 0:
        return f"no namespaces or no overlayfs ({done.stdout.strip()}): use a machine or a VM instead of this container"
    return ""
