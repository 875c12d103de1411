"""The clean root: a throw-away copy of the base image in which packages are built.

    with clean_root() as root:
        root.run(["dpkg-deb", "--version"])
        root.run(["make"], cwd="/build", bind={checkout: "/build"}, env={"SOURCE_DATE_EPOCH": "0"})

It has the network of this machine, and its name server, certificates and package index. Nothing is mounted but while a
command runs, and then in a mount namespace of that command: a kill leaves no mount, and no process.
"""

import contextlib
import json
import os
import secrets
import shutil
import subprocess  # noqa: TID251 - names the type that ionman.process returns
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ionman import process
from ionman.lab import base, pids, requirements

ROOTS = base.CACHE / "roots"
# What a build needs to know of this machine to reach a package index through its proxies and certificates.
_PREFIXES = ("PIP_", "UV_", "SSL_CERT_", "CURL_CA_", "REQUESTS_CA_")
_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)
_WRAP = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation=slave", "--pid", "--fork", "--kill-child"),
)


class Root:
    """A clean root; what commands change in it stays until the `with` block ends."""

    def __init__(self, image: Path, directory: Path) -> None:
        """`image` is the tree below, `directory` holds the changes."""
        self.image = image
        self.directory = directory
        for part in ("upper", "work", "root"):
            (directory / part).mkdir()

    def run(  # noqa: PLR0913 - keywords, those of ionman.process.run and two more
        self,
        command: Sequence[str | Path],
        *,
        stdin: str | bytes | None = None,
        cwd: str | Path = "/",
        env: Mapping[str, str] | None = None,
        bind: Mapping[Path, str | Path] | None = None,
        read: Mapping[Path, str | Path] | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` inside, as root, to its end; results and errors as of `ionman.process.run`.

        `bind` puts files or directories of this machine into the root (source -> path inside) to be written, `read`
        to be read only; `env` comes on top of a plain environment; `timeout` is in seconds.
        """
        plan = {
            "base": str(self.image),
            **{part: str(self.directory / part) for part in ("upper", "work", "root")},
            "bind": [[str(source), str(target)] for source, target in (bind or {}).items()],
            "read": [[str(source), str(target)] for source, target in {**_shared(), **(read or {})}.items()],
            "cwd": str(cwd),
        }
        file = self.directory / f"plan-{secrets.token_hex(4)}.json"
        file.write_text(json.dumps(plan))
        return process.run(
            [*_WRAP, sys.executable, "-m", "ionman.lab.enter", file, *command],
            stdin=stdin,
            env={**environment(os.environ), **(env or {})},
            timeout=timeout,
            check=check,
        )

    def path(self, inside: str | Path) -> Path:
        """Where a file of the root can be read from outside."""
        name = str(inside).lstrip("/")
        changed = self.directory / "upper" / name
        return changed if changed.exists() else self.image / name


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The plain environment of a command inside, with what leads to the package index."""
    passed = {name: value for name, value in ours.items() if name.startswith(_PREFIXES) or _is_proxy(name)}
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **passed}


def _is_proxy(name: str) -> bool:
    return name.lower() in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def _shared() -> dict[Path, str | Path]:
    """Files of this machine that a build inside reads: name server, certificates, local package folders."""
    folders = " ".join(os.environ.get(name, "") for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS"))
    wanted = [*_FILES, *(word for word in folders.replace(",", " ").split() if word.startswith("/"))]
    return {Path(path): path for path in wanted if Path(path).exists()}


@contextlib.contextmanager
def clean_root(image: Path | None = None, tell: Callable[[str], None] = lambda _: None) -> Iterator[Root]:
    """A clean root over `image` (the base image, made first if need be); gone afterwards.

    What a killed run left is removed by the next one. Raises `NotPossible` where there can be none.
    """
    requirements.demand()
    tree = image or base.ensure(tell)
    ROOTS.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_dead()
    directory = ROOTS / f"{os.getpid()}-{pids.started(os.getpid())}-{secrets.token_hex(4)}"
    directory.mkdir(mode=0o700)
    try:
        yield Root(tree, directory)
    finally:
        shutil.rmtree(directory)


def _clear_dead() -> None:
    """Remove the roots of processes that are no more."""
    for directory in ROOTS.iterdir():
        pid, start, _ = directory.name.split("-")
        if pids.started(int(pid)) != start:
            shutil.rmtree(directory)
