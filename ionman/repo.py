"""What an apt repository should hold, given what is offered and what it has: pure, nothing here touches a machine.

The action plugin `playbooks/action_plugins/ionman_repo.py` reads the offered packages, asks `plan`, and has the
repository's host do it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ionman.errors import InputError

KEEP = 3  # releases of an application that stay, besides those that are held
_SIDE_BY_SIDE = re.compile(r"(?P<app>[a-z0-9][a-z0-9+.-]*)-(?P<release>\d.*)")
_PARTS = re.compile(r"(\D*)(\d*)")


@dataclass(frozen=True)
class Deb:
    """One binary package; `path` is the file on the controller, empty for one that the repository has."""

    package: str
    version: str
    architecture: str
    sha256: str
    path: str = ""

    @property
    def label(self) -> str:
        """The name that the file has in a pool."""
        return f"{self.package}_{self.version}_{self.architecture}.deb"


@dataclass(frozen=True)
class Plan:
    """What to upload and include, and which (package, architecture) to remove first; both empty: nothing to do."""

    include: tuple[Deb, ...] = ()
    remove: tuple[tuple[str, str], ...] = ()


def application(package: str) -> str:
    """The application that a package is a release of: `demo-1.0.0` -> `demo`, `ionman` -> `ionman`."""
    match = _SIDE_BY_SIDE.fullmatch(package)
    return match["app"] if match else package


def release(package: str, version: str) -> str:
    """What orders the releases of an application: the version in the package's name, else the package's version."""
    match = _SIDE_BY_SIDE.fullmatch(package)
    return match["release"].replace("-rc", "~rc") if match else version


def order(version: str) -> tuple[Any, ...]:
    """A sort key with the order of Debian versions (deb-version(7): `~` before the end, letters before the rest)."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.partition("-") if "-" not in rest else rest.rpartition("-")
    return int(epoch or 0), _segments(upstream), _segments(revision)


def plan(
    offered: Iterable[Deb], present: Iterable[Deb], *, keep: int = KEEP, hold: Sequence[str] = ()
) -> tuple[Plan, tuple[Deb, ...]]:
    """Decide what changes, and say what the repository holds afterwards.

    Of each package the newest offered version counts. Of each application the `keep` newest releases stay, and those
    whose package is named in `hold`. Raises `InputError` when an offered package has the name and version, but not
    the bytes, of one that hosts may have installed.
    """
    have = {(deb.package, deb.architecture): deb for deb in present}
    want = _newest(offered)
    for key in want.keys() & have.keys():
        _same_bytes(want[key], have[key])
    kept = _kept({**have, **want}.values(), keep, set(hold))
    include = tuple(deb for key, deb in sorted(want.items()) if key in kept and have.get(key) != _stored(deb))
    replaced = {(deb.package, deb.architecture) for deb in include} & have.keys()
    remove = tuple(sorted((have.keys() - kept) | replaced))
    after = tuple(sorted(({**have, **want}[key] for key in kept), key=lambda deb: deb.label))
    return Plan(include, remove), after


def from_list(rows: Iterable[Mapping[str, str]]) -> tuple[Deb, ...]:
    """What the repository's host reported, one row for each architecture of the index, as packages."""
    found = {(row["package"], row["version"], row["architecture"], row["sha256"]) for row in rows}
    return tuple(Deb(*fields) for fields in sorted(found))


def _stored(deb: Deb) -> Deb:
    """The same package as the repository tells of it."""
    return Deb(deb.package, deb.version, deb.architecture, deb.sha256)


def _newest(debs: Iterable[Deb]) -> dict[tuple[str, str], Deb]:
    """Of each package and architecture the newest version."""
    newest: dict[tuple[str, str], Deb] = {}
    for deb in debs:
        key = (deb.package, deb.architecture)
        if key not in newest or order(deb.version) > order(newest[key].version):
            newest[key] = deb
    return newest


def _same_bytes(offered: Deb, present: Deb) -> None:
    """Refuse other bytes under a name and version that the repository has given out."""
    if offered.version == present.version and offered.sha256 != present.sha256:
        raise InputError(
            f"{offered.path or offered.label} differs from the {offered.label} that the repository has"
            f" (sha256 {offered.sha256[:12]}... here, {present.sha256[:12]}... there)",
            remedy="hosts may have installed the other one: give what changed a new version and build again,"
            " or delete the file here to keep the one of the repository",
        )


def _kept(debs: Iterable[Deb], keep: int, hold: set[str]) -> set[tuple[str, str]]:
    """The (package, architecture) that stay."""
    kept: set[tuple[str, str]] = set()
    by_app = sorted(debs, key=lambda deb: application(deb.package))
    for _, group in groupby(by_app, key=lambda deb: application(deb.package)):
        members = list(group)
        releases = sorted({order(release(deb.package, deb.version)) for deb in members}, reverse=True)[:keep]
        for deb in members:
            if deb.package in hold or order(release(deb.package, deb.version)) in releases:
                kept.add((deb.package, deb.architecture))
    return kept


def _segments(text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """The alternating non-digit and digit parts of a version, so that they compare as dpkg compares them."""
    parts = [(chars, digits) for chars, digits in _PARTS.findall(text) if chars or digits]
    return (*((_weights(chars), int(digits or 0)) for chars, digits in parts), ((0,), 0))


def _weights(chars: str) -> tuple[int, ...]:
    """`~` sorts before the end of the part, letters before everything else."""
    return (*(-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in chars), 0)
