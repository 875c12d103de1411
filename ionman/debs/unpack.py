"""The files of a release: out of an archive that a stranger made, or out of a folder."""

import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ionman.errors import InputError

LARGEST = 512 << 20  # bytes unpacked: more is no service, and would fill the disk
SERVICE = re.compile(rb"^application\s*=", re.MULTILINE)
LOCK = "requirements.lock"
SETTINGS = "config.ini"  # of the author's own machine; a host's come from the inventory, and no secret is in a package


@dataclass(frozen=True)
class Tree:
    """A release's files, relative path -> (bytes, whether it may be run); `newest` is the latest time of any."""

    files: dict[str, tuple[bytes, bool]]
    newest: int

    def lock(self, what: str, remedy: str) -> str:
        """The text of its lock; raises InputError without one."""
        if LOCK not in self.files:
            raise InputError(f"{what} has no {LOCK}, nothing was built", remedy=remedy)
        return self.files[LOCK][0].decode(errors="replace")

    def services(self) -> list[str]:
        """The files at the top that define an `application`: each is a service that twistd can run."""
        return [
            name
            for name, (data, _) in sorted(self.files.items())
            if "/" not in name and name.endswith(".py") and SERVICE.search(data)
        ]

    def write(self, folder: Path) -> None:
        """Write the files below `folder`, but for the author's own settings."""
        for name, (data, runs) in self.files.items():
            if name == SETTINGS:
                continue
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(0o755 if runs else 0o644)


def unpack(archive: Path) -> Tree:
    """The files of a tar archive without its one folder at the top; raises InputError for what is not to be trusted.

    Refused are paths that lead out, links, devices, and more than 512 MiB.
    """
    files: dict[str, tuple[bytes, bool]] = {}
    newest = total = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in _members(tar, archive):
                total += member.size
                if total > LARGEST:
                    raise InputError(f"{archive.name} holds more than {LARGEST >> 20} MiB", remedy="release less")
                content = tar.extractfile(member)
                data = content.read() if content else b""
                files[member.name] = (data, bool(member.mode & stat.S_IXUSR))
                newest = max(newest, int(member.mtime))
    except (tarfile.TarError, OSError, EOFError) as error:
        raise InputError(
            f"{archive.name} is no tar archive that can be read ({error})", remedy="release a .tar.gz"
        ) from error
    return Tree(_without_top(files), newest)


def _members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{archive.name}: {member.name!r} leads out of the archive", remedy="do not use this release"
            )
        if member.isdir():
            continue
        if not member.isreg():
            raise InputError(
                f"{archive.name}: {member.name!r} is a link or device", remedy="release regular files only"
            )
        yield member


def _without_top(files: dict[str, tuple[bytes, bool]]) -> dict[str, tuple[bytes, bool]]:
    """GitHub's archives, and most others, have one folder at the top, named after the release."""
    paths = {name: PurePosixPath(name) for name in files}
    tops = {path.parts[0] for path in paths.values()}
    if len(tops) != 1 or any(len(path.parts) == 1 for path in paths.values()):
        return {str(path): files[name] for name, path in paths.items()}
    return {str(PurePosixPath(*path.parts[1:])): files[name] for name, path in paths.items()}
