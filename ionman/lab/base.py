"""The base image: one Debian tree, made once by mmdebstrap, under every lab host and every build of a package."""

import hashlib
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ionman import process
from ionman.errors import CommandFailed
from ionman.lab import place, requirements, sources

CACHE = Path("/var/cache/ionman")
SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    "curl",
    "daemontools",
    "daemontools-run",
    "dbus",
    "gnupg",
    "iproute2",
    "nftables",
    "nginx-light",
    "openssh-server",
    "python3",
    "reprepro",
    "sudo",
    "systemd",
    "systemd-sysv",
)
# Run by mmdebstrap in the finished tree. nginx is wanted on one host only; timers and consoles have no use in a lab.
HOOKS = (
    "rm -f etc/ssh/ssh_host_* etc/hostname etc/resolv.conf etc/apt/apt.conf.d/99mmdebstrap",
    "touch etc/resolv.conf",
    "systemctl --root=. --quiet enable systemd-networkd.service",
    "systemctl --root=. --quiet disable nginx.service",
    "systemctl --root=. --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer"
    " e2scrub_reap.service fstrim.timer console-getty.service getty@tty1.service systemd-pstore.service"
    " systemd-networkd-wait-online.service",
)


def key() -> str:
    """Names the image: another list of packages, suite, recipe or architecture is another image."""
    text = "\n".join([SUITE, platform.machine(), *PACKAGES, *HOOKS])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def path() -> Path:
    """Where the image is, made or not."""
    return CACHE / f"base-{key()}"


def ensure(tell: Callable[[str], None] = lambda _: None) -> Path:
    """The image's tree, made first if need be (under a minute); `tell` gets a line for each step.

    Safe to kill and to run twice at once: the tree appears under its name only when it is whole.
    Raises `NotPossible`, or `CommandFailed` with the end of mmdebstrap's output.
    """
    image = path()
    if image.is_dir():
        return image
    requirements.demand()
    CACHE.mkdir(parents=True, exist_ok=True)
    with place.locked(CACHE / "base.lock", tell):
        if not image.is_dir():
            for half in CACHE.glob("*.building"):
                shutil.rmtree(half)
            _build(image, tell)
    return image


def command(target: Path, mirrors: Sequence[str], options: Sequence[str]) -> list[str | Path]:
    """What makes the tree; in namespaces of its own, so that a kill leaves no mount and no process."""
    hooks = [f'--customize-hook=cd "$1" && {hook}' for hook in HOOKS]
    words: list[str | Path] = [
        *("unshare", "--mount", "--propagation=slave", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory"),
        f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in options),
        *hooks,
    ]
    return [*words, SUITE, target, *mirrors]


def proxies(dump: str) -> list[str]:
    """The lines of `apt-config dump` that say how mirrors are reached; mmdebstrap reads none of apt's own settings."""
    ways = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::https::CAInfo")
    return [line for line in dump.splitlines() if line.startswith(ways) and not line.endswith('"";')]


def _build(image: Path, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    draft = image.with_suffix(".building")
    options = proxies(process.run(["apt-config", "dump"]).stdout)
    tell(f"base image: Debian {SUITE} with {len(PACKAGES)} packages, once for all labs; about a minute")
    builder = process.start(
        command(draft, sources.lines(SUITE), options),
        stdout=process.PIPE,
        die_with_parent=True,
        new_session=False,
    )
    output: list[str] = []
    for line in builder.stdout or ():
        text = line.decode(errors="replace").rstrip()
        output.append(text)
        if text.startswith("I: ") and "hook" not in text and "success" not in text:
            tell(f"base image: {text[3:].rstrip('.')} ({time.monotonic() - began:.0f} s)")
    if builder.wait() != 0:
        raise CommandFailed("mmdebstrap", builder.returncode, "\n".join(output))
    draft.rename(image)
    tell(f"base image: {image} made in {time.monotonic() - began:.0f} s")
