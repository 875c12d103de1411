"""What a release is, which of its files is taken and which digest is trusted: decisions only, no network.

The JSON is that of the GitHub REST API, "Releases" and "Release assets" (docs.github.com/rest/releases).
A digest is written ``sha256:<64 hex digits>`` everywhere, as the API's own asset field `digest` writes it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ionman.errors import InputError

REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"v?(?P<base>\d+(?:\.\d+){0,3})(?:-?(?P<pre>alpha|beta|a|b|rc|pre)\.?(?P<n>\d+))?")
SOURCE = "source"
ARCHIVES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
SUMS = ("sha256sums", "sha256sums.txt", "sha256sum.txt", "checksums.txt", "checksums.sha256")


@dataclass(frozen=True)
class Version:
    """A version as `name` has it in names and paths (1.0.0-rc1), and as `debian` has it to be ordered (1.0.0~rc1)."""

    name: str
    debian: str


@dataclass(frozen=True)
class Asset:
    """A file of a release: `url` is its API address, `digest` what the API says of it (older releases have none)."""

    name: str
    url: str
    size: int
    digest: str | None


@dataclass(frozen=True)
class Release:
    """A release as the API describes it; `page` is its address for people, `tarball` that of the source."""

    repository: str
    tag: str
    page: str
    tarball: str
    assets: tuple[Asset, ...]


@dataclass(frozen=True)
class Choice:
    """The one file that is taken: `name` to store it under; `size` in bytes where it is known before."""

    name: str
    url: str
    size: int | None
    digest: str | None
    source: bool


@dataclass(frozen=True)
class Trust:
    """The digest that the bytes must have, and who says so: ``pin``, ``checksums`` (a file in the release), ``api``."""

    digest: str
    by: str


def repository_name(text: str) -> str:
    """`text` when it is ``owner/name``; raises InputError otherwise."""
    if REPOSITORY.fullmatch(text) and ".." not in text:
        return text
    raise InputError(
        f"repository {text!r} is not owner/name", remedy="write it as in the address: github.com/owner/name"
    )


def version(tag: str) -> Version:
    """Version of a tag: ``v1.0.0`` is 1.0.0, ``v1.0.0-rc1`` is 1.0.0-rc1, which dpkg orders below it as 1.0.0~rc1."""
    match = TAG.fullmatch(tag)
    if match is None:
        raise InputError(
            f"tag {tag!r} is no version", remedy="tag releases as v1.0.0, or v1.0.0-rc1 before it is final"
        )
    base, pre, number = match["base"], match["pre"], match["n"]
    if pre is None:
        return Version(base, base)
    return Version(f"{base}-{pre}{number}", f"{base}~{pre}{number}")


def digest(text: str, where: str) -> str:
    """`text` as a digest in lower case; raises InputError that names `where` it was written."""
    clean = text.strip().lower()
    if DIGEST.fullmatch(clean):
        return clean
    raise InputError(
        f"{where}: {text.strip()[:80]!r} is no digest", remedy="write sha256: and the 64 digits that sha256sum prints"
    )


def parse(payload: Any, repository: str) -> Release:
    """The release in the API's JSON; raises InputError when it has not the shape of one."""
    try:
        assets = tuple(
            Asset(str(item["name"]), str(item["url"]), int(item["size"]), item.get("digest"))
            for item in payload["assets"]
            if item.get("state", "uploaded") == "uploaded"
        )
        return Release(repository, payload["tag_name"], payload["html_url"], payload["tarball_url"] or "", assets)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"the answer for {repository} is no GitHub release ({error!r})", remedy="check the address of the API"
        ) from error


def choose(release: Release, wanted: str | None) -> Choice:
    """The file to take: the asset `wanted` (a name or glob), the source (``source``), or without it the built archive
    named after the repository and version if there is one, else the source.

    Raises InputError when nothing, or more than one file, matches.
    """
    name = release.repository.split("/")[1]
    if wanted == SOURCE:
        return _source(release, name)
    archives = [asset for asset in release.assets if asset.name.endswith(ARCHIVES)]
    if wanted is None:
        stems = {f"{name}-{release.tag}", f"{name}-{release.tag.removeprefix('v')}"}
        found = [asset for asset in archives if _stem(asset.name) in stems]
        if not found:
            return _source(release, name)
    else:
        found = [asset for asset in release.assets if fnmatchcase(asset.name, wanted)]
    if len(found) == 1:
        return Choice(found[0].name, found[0].url, found[0].size, found[0].digest, source=False)
    has = ", ".join(asset.name for asset in release.assets) or "none"
    many = ", ".join(asset.name for asset in found) or "nothing"
    raise InputError(
        f"{release.repository} {release.tag}: asset {wanted or name!r} matches {many}; the release has: {has}",
        remedy="name one of its assets, or `source` for the source archive",
    )


def _stem(name: str) -> str:
    return next((name.removesuffix(ending) for ending in ARCHIVES if name.endswith(ending)), name)


def _source(release: Release, name: str) -> Choice:
    if not release.tarball:
        raise InputError(f"{release.repository} {release.tag} has no source archive", remedy="name one of its assets")
    return Choice(f"{name}-{release.tag}-source.tar.gz", release.tarball, None, None, source=True)


def checksum_files(release: Release, choice: Choice) -> tuple[Asset, ...]:
    """The release's files that may say the digest of `choice`, the most particular first."""
    own = {f"{choice.name}.sha256", f"{choice.name}.sha256sum"}
    particular = [asset for asset in release.assets if asset.name in own]
    general = [
        asset
        for asset in release.assets
        if asset.name.lower() in SUMS or asset.name.lower().endswith(("_checksums.txt", "-checksums.txt"))
    ]
    return tuple(particular + general)


def checksum(text: str, names: Iterable[str]) -> str | None:
    """The digest that a checksums file gives for one of `names`, or None.

    Read are the forms of sha256sum(1): ``hex  name``, ``hex *name``, ``SHA256 (name) = hex``, and a lone ``hex``.
    """
    accepted = set(names)
    for line in text.splitlines():
        plain = re.fullmatch(r"\s*([0-9A-Fa-f]{64})(?:\s+\*?(\S.*?))?\s*", line)
        tagged = re.fullmatch(r"\s*SHA256 \((.+)\) = ([0-9A-Fa-f]{64})\s*", line)
        if plain and (plain[2] is None or plain[2].removeprefix("./") in accepted):
            return f"sha256:{plain[1].lower()}"
        if tagged and tagged[1] in accepted:
            return f"sha256:{tagged[2].lower()}"
    return None


def checksum_names(release: Release, choice: Choice) -> tuple[str, ...]:
    """The names under which a checksums file may list `choice`; the source goes by several."""
    if not choice.source:
        return (choice.name,)
    name = release.repository.split("/")[1]
    return (choice.name, f"{release.tag}.tar.gz", f"{name}-{release.tag}.tar.gz", "source.tar.gz")


def trust(choice: Choice, *, pin: str | None, checksums: str | None) -> Trust | None:
    """The digest to demand: the inventory's pin; else the checksums file; else what the API says; else None.

    Raises InputError when, without a pin, the checksums file and the API contradict each other.
    """
    if pin is not None:
        return Trust(digest(pin, "the pinned digest"), "pin")
    api = digest(choice.digest, f"the API's digest of {choice.name}") if choice.digest else None
    if checksums and api and checksums != api:
        raise InputError(
            f"{choice.name}: its checksums file says {checksums}, the API says {api}: one of them was changed",
            remedy="ask who made the release, and pin the digest that is right (`digest:` in the inventory)",
        )
    if checksums:
        return Trust(checksums, "checksums")
    return Trust(api, "api") if api else None


def mismatch(what: str, expected: Trust, actual: str) -> InputError:
    """The error for bytes that are not the trusted ones; nothing is built from them."""
    said = {"pin": "pinned in the inventory", "checksums": "in the release's checksums file", "api": "given by the API"}
    return InputError(
        f"{what}: the bytes do not match, nothing was built\n"
        f"  expected {expected.digest} ({said[expected.by]})\n"
        f"  received {actual}",
        remedy="if the release was replaced on purpose, look at it and pin the new digest; else its bytes were changed",
    )


def untrusted(what: str, actual: str, kept: str) -> InputError:
    """The error for bytes that nobody vouches for."""
    return InputError(
        f"{what}: nothing says which digest it must have, so nothing was built",
        remedy=f"look at {kept}; if it is what you expect, pin it: digest: {actual}",
    )
