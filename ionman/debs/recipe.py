"""Makes the jobs of the builder: from a release's files, and from the recipes of our own tools in packaging/."""

import hashlib
import os
import platform
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ionman import __version__, deb, process
from ionman.debs.builder import PACKAGING, TREE, Job
from ionman.debs.unpack import Tree
from ionman.errors import InputError, NotPossible
from ionman.release import Version, version
from ionman.releases.github import Fetched, file_digest

TOOLS = ("ionman", "crossbar")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
UNKNOWN = 1767225600  # 2026-01-01, for files whose time nobody knows
# What the content of the package `ionman` depends on, besides the lock.
SOURCES = ("ionman", "IonmanClass.py", "pyproject.toml", "packaging")


def load(name: str) -> dict[str, Any]:
    """The recipe `packaging/<name>/recipe.toml`; raises InputError for a name that has none."""
    file = PACKAGING / name / "recipe.toml"
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise InputError(f"there is no recipe for {name!r}", remedy=f"recipes are: {', '.join(TOOLS)}") from error


def tool(name: str, wheel: Path) -> Job:
    """The job for one of our own tools, built from this tree's lock for it."""
    recipe = load(name)
    lock = (PACKAGING / name / recipe["lock"]).read_text()
    names = deb.requirements(lock, f"the lock of {name}")
    architecture = debian_architecture()
    if recipe["wheel"]:
        number = Version(__version__, __version__)
        revision = _revision(hashlib.sha256(file_digest(wheel).encode() + lock.encode()).hexdigest())
    else:
        number, revision = version(names[recipe["version_from"]]), ""
    package = deb.package(recipe, recipe["app"], number, architecture=architecture, revision=revision)
    origin = deb.Origin(lock=digest(lock))
    epoch = _changed(*(SOURCES if package.wheel else (f"packaging/{name}", "packaging/locks")))
    return Job(package, lock, epoch, origin, wheel=wheel if package.wheel else None)


def application_package(repository: str, tag: str, app: str = "") -> deb.Package:
    """The package that release `tag` of `repository` becomes; `app` where it is not to be called as the repository."""
    name = deb.app_name(app or repository)
    return deb.package(load("application"), name, version(tag), architecture=debian_architecture())


def application(package: deb.Package, fetched: Fetched, tree: Tree, wheel: Path) -> Job:
    """The job for a release that was fetched; raises InputError without a lock."""
    what = f"{fetched.name} of {fetched.repository} {fetched.tag}"
    lock = tree.lock(what, deb.HOW_TO_LOCK)
    deb.requirements(lock, f"requirements.lock in {what}")
    host = urlsplit(fetched.page).hostname or ""
    # A double on loopback gets another port at every start: not something to put into a package.
    url = "" if host.startswith("127.") or host == "localhost" else fetched.page
    origin = deb.Origin(digest(lock), fetched.repository, fetched.tag, url, fetched.trust.digest)
    return Job(package, lock, tree.newest, origin, tree=tree, wheel=wheel)


def debian_architecture() -> str:
    """Debian's name for this machine's architecture; raises NotPossible for one without wheels."""
    try:
        return ARCHITECTURES[platform.machine()]
    except KeyError as error:
        raise NotPossible(f"packages cannot be built on {platform.machine()}", remedy="use amd64 or arm64") from error


def digest(text: str) -> str:
    """``sha256:...`` of a text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _revision(content: str) -> str:
    """What makes the version of the package `ionman` rise when its content changes: ``+git<time>.<digest>``.

    The time is that of the last commit, or of the newest changed file when there are changes that no commit has. In a
    tree that is no git checkout the version alone must do: such a tree is a release.
    """
    if not (TREE / ".git").exists():
        return ""
    return f"+git{_stamp(_newest())}.{content[:8]}"


def _newest() -> int:
    changed = _git("status", "--porcelain", "--untracked-files=all", "--no-renames", "--", *SOURCES).splitlines()
    times = [int(path.stat().st_mtime) for line in changed if (path := TREE / line[3:].strip('"')).is_file()]
    return max(times, default=_changed(*SOURCES))


def _changed(*paths: str) -> int:
    """The time of the last commit that changed `paths`, in seconds since 1970; a fixed one where there is no git."""
    if (TREE / ".git").exists():
        return int(_git("log", "-1", "--format=%ct", "--", *paths) or UNKNOWN)
    return UNKNOWN


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S")


def _git(*arguments: str) -> str:
    # The tree may belong to another user than root, who builds: git would refuse to read it.
    environment: Mapping[str, str] = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(TREE),
        "LC_ALL": "C",
    }
    return process.run(["git", "-C", TREE, *arguments], env=environment).stdout
