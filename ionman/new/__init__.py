"""A service of one's own: the files it begins with."""

import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from string import Template

from ionman.errors import InputError, NotPossible

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
TEMPLATES = Path(__file__).parent
LOCK = Path(__file__).parents[2] / "packaging" / "locks" / "runtime.txt"


def files(name: str) -> dict[str, str]:
    """Return path -> text of a new service `name`; raises `InputError` for a name that gives no valid URI."""
    if not NAME.fullmatch(name) or len(name) > 40:
        raise InputError(
            f"{name!r} cannot be a service's name",
            remedy="use at most 40 small letters and digits, beginning with a letter; - and _ stand between words",
        )
    stem = name.replace("-", "_")
    if stem in sys.stdlib_module_names:
        raise InputError(
            f"{name!r} cannot be a service's name: {stem}.py would hide Python's own module from the tests",
            remedy=f"name it otherwise, such as {name}-service",
        )
    words: Mapping[str, str] = {
        "name": name,
        "stem": stem,
        "title": " ".join(word.capitalize() for word in re.split("[-_]", name)),
        "method": f"app_{stem}",
        "uri": f"app.{stem.replace('_', '.')}",
        "requirements": "\n".join(needed()),
    }
    placed = {
        f"{stem}.py": "shell",
        "modules/hello.py": "module",
        "tests/test_hello.py": "test",
        "config.ini": "config",
        "pyproject.toml": "pyproject",
        "requirements.in": "requirements",
        "README.md": "readme",
        ".gitignore": "gitignore",
    }
    made = {path: Template(_read(template)).substitute(words) for path, template in placed.items()}
    if LOCK.is_file():
        made["requirements.lock"] = LOCK.read_text("utf-8")
    return made


def needed() -> list[str]:
    """Return what ionman's runtime itself needs from others, as its package says."""
    try:
        return sorted(line for line in requires("ionman") or [] if "extra ==" not in line)
    except PackageNotFoundError as error:
        raise NotPossible("ionman is not installed in this environment", remedy="run make setup") from error


def write(name: str, folder: Path) -> list[str]:
    """Write the files into `folder`, all or none, and return their paths; raises `InputError` if something is there."""
    made = files(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and not empty; nothing was written", remedy="name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise NotPossible(f"{folder} cannot be made: {error.strerror}", remedy="name another folder") from error
    try:
        for path, text in made.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(text, "utf-8")
        (draft / f"{name.replace('-', '_')}.py").chmod(0o755)
        (draft / "config.ini").chmod(0o640)
        draft.chmod(0o755)
        draft.replace(folder)  # an empty folder gives way
    finally:
        if draft.exists():
            shutil.rmtree(draft)
    return sorted(made)


def _read(template: str) -> str:
    return (TEMPLATES / f"{template}.template").read_text("utf-8")
