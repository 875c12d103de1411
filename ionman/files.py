"""Files that are there whole or not at all."""

import os
import shutil
import tempfile
from pathlib import Path


def write(path: Path, content: str | bytes, *, mode: int = 0o644, group: str | None = None) -> None:
    """Make or replace `path` at once, with `mode` and `group` set before its name appears (0 bytes are never seen)."""
    data = content.encode() if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if group is not None:
            shutil.chown(name, group=group)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def folder(path: Path, *, mode: int = 0o755, user: str | None = None, group: str | None = None) -> None:
    """Have the folder `path` with `mode` and owners; those above it are made with 0755 where they are not there."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    if user is not None and group is not None:
        shutil.chown(path, user, group)
    elif group is not None:
        shutil.chown(path, group=group)
