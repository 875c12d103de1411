"""Makes releases on disk, for the double of the GitHub API to serve: the same source always gives the same bytes.

Layout, below the folder of releases::

    <owner>/<name>/private             present in a private repository
    <owner>/<name>/<tag>/release.json  {"published": "2026-01-01T00:00:00Z"}
    <owner>/<name>/<tag>/source.tar.gz
    <owner>/<name>/<tag>/assets/<name>-<version>.tar.gz, SHA256SUMS
    token                              what opens the private ones, mode 0600
"""

import gzip
import hashlib
import io
import json
import secrets
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ionman.errors import InputError
from ionman.lab import place
from ionman.release import repository_name, version

PUBLISHED = "2026-01-01T00:00:00Z"
EPOCH = 1767225600  # PUBLISHED in seconds since 1970: the time of every file in an archive
LEFT_OUT = {".git", ".venv", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache", "build"}


def folder(lab: str) -> Path:
    """The folder of releases of a lab; raises Unavailable when there is no such lab."""
    return place.load(lab).directory / "github" / "releases"


def publish(source: Path, releases: Path, repository: str, tag: str, *, replace: bool = False) -> Path:
    """Make the release `tag` of `repository` from the folder `source` and return its folder below `releases`.

    Publishing the same bytes again changes nothing; other bytes under a tag that exists are refused without `replace`.
    The release appears in one step. Raises InputError.
    """
    return publish_files(read_tree(source), releases, repository, tag, replace=replace)


def publish_files(
    files: Mapping[str, tuple[bytes, int]], releases: Path, repository: str, tag: str, *, replace: bool = False
) -> Path:
    """Like `publish`, from `files`: path -> (bytes, mode)."""
    name = repository_name(repository).split("/")[1]
    made = archives(files, name, tag)
    there = releases / repository / tag
    if there.is_dir():
        if _same(there, made):
            return there
        if not replace:
            raise InputError(
                f"release {tag} of {repository} exists with other bytes",
                remedy="publish under the next tag, as one would on GitHub",
            )
    there.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=there.parent))
    try:
        for relative, data in made.items():
            (new / relative).parent.mkdir(exist_ok=True)
            (new / relative).write_bytes(data)
        new.chmod(0o755)
        if there.is_dir():
            there.rename(new / "replaced")
        new.rename(there)
        shutil.rmtree(there / "replaced", ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return there


def archives(files: Mapping[str, tuple[bytes, int]], name: str, tag: str) -> dict[str, bytes]:
    """The files of a release, relative path -> bytes: source archive, built asset, checksums, description."""
    number = version(tag).name
    asset = f"{name}-{number}.tar.gz"
    built = archive(files, f"{name}-{number}")
    source = archive(files, f"{name}-{tag}-source")
    sums = f"{_hex(built)}  {asset}\n{_hex(source)}  source.tar.gz\n"
    return {
        f"assets/{asset}": built,
        "assets/SHA256SUMS": sums.encode(),
        "source.tar.gz": source,
        "release.json": json.dumps({"published": PUBLISHED}, sort_keys=True).encode() + b"\n",
    }


def archive(files: Mapping[str, tuple[bytes, int]], top: str) -> bytes:
    """A tar.gz with `files` below the folder `top`; no owner, time or order of the machine gets into it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for relative in sorted(files):
            data, mode = files[relative]
            member = tarfile.TarInfo(f"{top}/{relative}")
            member.size, member.mtime, member.mode = len(data), EPOCH, 0o755 if mode & stat.S_IXUSR else 0o644
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 6, mtime=0)


def read_tree(source: Path) -> dict[str, tuple[bytes, int]]:
    """The regular files of `source`, relative path -> (bytes, mode), without what a checkout has lying about.

    Raises InputError when there is nothing, or a symbolic link that leads out.
    """
    if not source.is_dir():
        raise InputError(f"{source} is no folder", remedy="name the folder with the service's files")
    files = {}
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if LEFT_OUT.intersection(relative.parts) or path.suffix == ".pyc" or not path.is_file():
            continue
        if not path.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{path} leads out of {source}", remedy="put the file itself there")
        files[str(relative)] = (path.read_bytes(), path.stat().st_mode)
    if not files:
        raise InputError(f"{source} has no files", remedy="name the folder with the service's files")
    return files


def demo_releases(examples: Path, releases: Path) -> str:
    """Make the lab's releases from `examples`: ionman/demo v1.0.0 and v1.1.0, and the private ionman/private v1.0.0.

    Returns the token that opens the private one.
    """
    first = read_tree(examples / "demo")
    second = first | read_tree(examples / "demo-1.1.0")
    for repository, tag, files in (
        ("ionman/demo", "v1.0.0", first),
        ("ionman/demo", "v1.1.0", second),
        ("ionman/private", "v1.0.0", first),
    ):
        publish_files(files, releases, repository, tag, replace=True)
    (releases / "ionman" / "private" / "private").touch()
    return token(releases)


def token(releases: Path) -> str:
    """The token of the private repositories, made at the first use."""
    file = releases / "token"
    if not file.exists():
        releases.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(f"ghp_{secrets.token_hex(18)}\n")
    return file.read_text().strip()


def _same(folder: Path, made: Mapping[str, bytes]) -> bool:
    return all(
        (folder / relative).is_file() and (folder / relative).read_bytes() == made[relative] for relative in made
    )


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
