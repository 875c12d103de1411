"""The edge that builds packages: a clean root of the target's Debian, uv for the environment, dpkg-deb for the package.

Nothing of this machine gets in but uv itself, the sources and a cache of downloads: the root has the target's Python
and libc. The same inputs give the same bytes: fixed times, order, hash seed, and byte-code without times.
"""

import gzip
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionman import __version__, deb, process
from ionman.debs.unpack import Tree
from ionman.errors import CommandFailed, InputError, NotPossible
from ionman.files import write
from ionman.lab.root import Root, clean_root
from ionman.releases.github import default_cache, file_digest

TREE = Path(__file__).resolve().parents[2]
PACKAGING = TREE / "packaging"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LEFTOVERS = (".lock", ".gitignore", "CACHEDIR.TAG")  # what uv leaves in an environment
PAGE = "ionman/web/static/ionman.js"  # made by `make setup`, not in git
HALF = ".building-"
SLICES = 4  # of the byte-compiler: a fixed number, so that the bytes do not depend on the processors

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One package to build: `lock` is the text of its lock file, `tree` the release's files, `wheel` the runtime's."""

    package: deb.Package
    lock: str
    epoch: int
    origin: deb.Origin
    tree: Tree | None = None
    wheel: Path | None = None


@dataclass(frozen=True)
class Built:
    """A finished package; `fresh` is False when it stood already."""

    package: deb.Package
    path: Path
    digest: str
    fresh: bool


def demand_root() -> None:
    """Raise NotPossible for a user who cannot build."""
    if os.geteuid() != 0:
        raise NotPossible(
            "a package is built in a clean root, which only root can make",
            remedy="run it as root; to look at a release first, `ionman release fetch` needs no rights",
        )


def standing(package: deb.Package, inputs: str, output: Path) -> Built | None:
    """The package that stands in `output`, built from `inputs`; raises InputError when it was built from others."""
    target = output / package.file
    note = target.with_suffix(".json")
    if target.is_file() and note.is_file() and deb.standing(package, note.read_text(), inputs):
        return Built(package, target, json.loads(note.read_text())["sha256"], fresh=False)
    return None


def build(job: Job, output: Path, tell: Tell) -> Built:
    """Build one package into `output`: ``<name>_<version>_<arch>.deb`` and beside it the ``.json`` that says from what.

    Raises InputError for a lock or release that cannot be used, NotPossible where this machine cannot build.
    """
    names = deb.requirements(job.lock, f"the lock of {job.package.name}")
    with clean_root(tell=tell) as root, tempfile.TemporaryDirectory(prefix=HALF, dir=output) as workplace:
        work = _Work(root, job, Path(workplace), tell)
        work.environment(names)
        declared = work.application()
        work.compile()
        facts = deb.provenance(job.package, job.origin, __version__, declared)
        made = work.package(facts)
        digest = file_digest(made)
        target = output / job.package.file
        note = target.with_suffix(".json")
        record = {"package": job.package.name, "deb": job.package.version, "file": target.name, "sha256": digest}
        note.unlink(missing_ok=True)
        made.replace(target)
        write(note, json.dumps(facts | record | {"inputs": job.origin.inputs}, indent=2, sort_keys=True) + "\n")
    return Built(job.package, target, digest, fresh=True)


class _Work:
    """The steps of one build, in one clean root."""

    def __init__(self, root: Root, job: Job, workplace: Path, tell: Tell) -> None:
        self.root, self.job, self.tell = root, job, tell
        self.inputs, self.outputs, self.stage = (workplace / name for name in ("in", "out", "package"))
        self.python = f"{job.package.prefix}/venv/bin/python"
        self.prefix = self.stage / job.package.prefix.lstrip("/")
        cache = default_cache().parent / "uv"
        for folder in (self.inputs, self.outputs, self.prefix, cache):
            folder.mkdir(parents=True, exist_ok=True)
        self.read = {_uv(): "/usr/local/bin/uv", self.inputs: "/build/in"}
        self.bind: dict[Path, str] = {
            cache: "/var/cache/uv",
            self.prefix: job.package.prefix,
            self.stage: "/build/package",
            self.outputs: "/build/out",
        }
        self.env = {
            "PATH": PATH,
            "SOURCE_DATE_EPOCH": str(job.epoch),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYUBJSON_NO_EXTENSION": "1",  # py-ubjson compiles itself where it finds a compiler; the root has none
            "UV_CACHE_DIR": "/var/cache/uv",
            "UV_LINK_MODE": "copy",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
        }

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in the root and return what it printed."""
        return self.root.run(command, env=self.env, bind=self.bind, read=self.read, check=check).stdout

    def environment(self, names: Mapping[str, str]) -> None:
        """Make the environment from the lock, and add the runtime unless the lock names one."""
        name = self.job.package.name
        self.tell(f"{name}: environment from {len(names)} locked distributions")
        (self.inputs / "requirements.lock").write_text(self.job.lock)
        shutil.copy(PACKAGING / "locks" / "build.txt", self.inputs / "build.txt")
        self.run("uv", "venv", "-q", "--no-config", "--python", "/usr/bin/python3", f"{self.job.package.prefix}/venv")
        install = ("uv", "pip", "sync", "-q", "--no-config", "--python", self.python)
        try:
            self.run(
                *(*install, "--require-hashes", "--build-constraints", "/build/in/build.txt"),
                "/build/in/requirements.lock",
            )
        except CommandFailed as error:
            raise _lock_error(self.job, error) from error
        if self.job.wheel is not None and self.job.package.wheel and "ionman" not in names:
            shutil.copy(self.job.wheel, self.inputs / self.job.wheel.name)
            self.run(
                *("uv", "pip", "install", "-q", "--no-config", "--offline", "--no-deps", "--python", self.python),
                f"/build/in/{self.job.wheel.name}",
            )
        self._check()

    def _check(self) -> None:
        """Nothing that a distribution needs is missing from the lock, but for what is left out on purpose."""
        output = self.run("uv", "pip", "check", "--no-config", "--python", self.python, check=False)
        left_out = deb.absent((PACKAGING / "locks" / "overrides.txt").read_text())
        if problems := deb.missing(output, left_out):
            raise InputError(
                f"the lock of {self.job.package.name} is not whole, nothing was built:\n  " + "\n  ".join(problems),
                remedy=deb.HOW_TO_LOCK,
            )

    def application(self) -> dict[str, Any]:
        """Put the release's files in place; file -> what its service declares it will register."""
        if self.job.tree is None:
            return {}
        self.job.tree.write(self.prefix / "app")
        declared = {}
        for file in self.job.tree.services():
            self.tell(f"{self.job.package.name}: procedures of {file}")
            place = f"{self.job.package.prefix}/app/{file}"
            try:
                declared[file] = json.loads(self.run(self.python, "-m", "ionman.runtime.declare", place))
            except CommandFailed as error:
                raise InputError(
                    f"{file} of {self.job.package.name} does not load, nothing was built:\n{error.output.strip()}",
                    remedy="start it once from its folder before it is released",
                ) from error
        return declared

    def compile(self) -> None:
        """Write the byte-code, and take away what the tools left behind."""
        self.tell(f"{self.job.package.name}: byte-code")
        venv = self.prefix / "venv"
        for path in (*(venv / name for name in LEFTOVERS), *(venv / "bin").glob("*activate*")):
            path.unlink(missing_ok=True)
        for path in (*venv.rglob("uv_cache.json"), *venv.rglob("direct_url.json")):
            _forget(path)
        shutil.copy(PACKAGING / "compile.py", self.inputs / "compile.py")
        command = ("/usr/bin/python3", "/build/in/compile.py", str(SLICES), self.job.package.prefix)
        done = self.root.run(command, env=self.env, bind=self.bind, read=self.read, check=False)
        if done.returncode != 0:
            raise InputError(
                f"a file of {self.job.package.name} is no Python, nothing was built:\n{done.stdout.rstrip()}",
                remedy="mend it and release again; a file that is not Python should not be called .py",
            )

    def package(self, facts: Mapping[str, Any]) -> Path:
        """Lay out the package and let dpkg-deb make it."""
        package = self.job.package
        self.tell(f"{package.name}: package")
        stage = self.stage
        (self.prefix / "build.json").write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
        for link, inside in package.links.items():
            place = stage / link.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(f"{package.prefix}/{inside}")
        templates = {path.name: path.read_text() for path in (PACKAGING / "deb").iterdir() if path.is_file()}
        size = sum(1 if path.is_dir() else -(-path.lstat().st_size // 1024) for path in stage.rglob("*"))
        facts_of_build = deb.Build(
            self.job.epoch, size, self.job.origin.lines(package), tuple(facts["procedures"]), tuple(facts["topics"])
        )
        for path, file in deb.files(package, templates, facts_of_build).items():
            _write(stage / path, file)
        _settle(stage)
        self.run(
            *("dpkg-deb", "--root-owner-group", "-Zzstd", "-z3", "--build"),
            *("/build/package", f"/build/out/{package.file}"),
        )
        return self.outputs / package.file


def _forget(path: Path) -> None:
    """Remove a file of a .dist-info folder that names times and places of the build, and its line in RECORD."""
    record = path.with_name("RECORD")
    name = f"{path.parent.name}/{path.name},"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if not line.startswith(name)))
    path.unlink()


def _write(place: Path, file: deb.File) -> None:
    """Write one text file; a changelog is compressed, as Debian policy 12.7 wants it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.name.startswith("changelog"):
        place = place.with_name(place.name + ".gz")
        place.write_bytes(gzip.compress(file.text.encode(), 9, mtime=0))
    else:
        place.write_text(file.text)
    place.chmod(file.mode)


def _settle(stage: Path) -> None:
    """Rights that depend on nobody's umask: 0755 for folders and programs, 0644 for the rest."""
    for path in (stage, *stage.rglob("*")):
        if path.is_symlink():
            continue
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _lock_error(job: Job, error: CommandFailed) -> InputError:
    """What uv said of the lock, with what to do."""
    lines = [line for line in error.output.strip().splitlines() if line.strip()]
    text = "\n  ".join(lines[-12:])
    if "Hash mismatch" in error.output:
        remedy = "a download is not what was locked: find out why; if it is right, lock again"
    elif "error sending request" in error.output or "Failed to fetch" in error.output:
        remedy = "the package index cannot be reached: check the network, or name a mirror in UV_DEFAULT_INDEX"
    else:
        remedy = deb.HOW_TO_LOCK
    return InputError(
        f"the lock of {job.package.name} cannot be installed, nothing was built:\n  {text}", remedy=remedy
    )


def _uv() -> Path:
    """The uv program beside this Python, or on the path."""
    beside = Path(sys.executable).parent / "uv"
    found = beside if beside.is_file() else shutil.which("uv")
    if found is None:
        raise NotPossible("uv is not installed, it makes the environments", remedy="run `make setup`")
    return Path(found)


@contextmanager
def runtime_wheel() -> Iterator[Path]:
    """The wheel of this tree's ionman, gone afterwards; raises NotPossible outside a checkout."""
    if not (TREE / "pyproject.toml").is_file():
        raise NotPossible("packages are built from a checkout of ionman", remedy="clone it and run this there")
    made = TREE / "build"
    made.mkdir(exist_ok=True)
    for left in made.glob("wheel-*"):  # of a build that was killed
        if not Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=f"wheel-{os.getpid()}-", dir=made) as folder:
        process.run(
            [
                *(_uv(), "build", "-q", "--wheel", "--no-config", "--require-hashes"),
                *("--build-constraints", PACKAGING / "locks" / "build.txt", "--out-dir", folder, TREE),
            ],
            env=os.environ | {"UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"},
        )
        wheel = next(Path(folder).glob("*.whl"))
        if PAGE not in zipfile.ZipFile(wheel).namelist():
            raise NotPossible(f"the router's page is not whole: {PAGE} is missing", remedy="run `make setup`")
        yield wheel
