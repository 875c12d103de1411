"""What a package is: names, versions, the files of the .deb, what must be true of a lock: decisions only.

A package holds one release below ``/opt/<app>/<version>``, so that two releases can be installed at once. The recipes
and templates it is made from lie in packaging/; `ionman.builder` is the edge that builds.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from jinja2 import Environment, StrictUndefined

from ionman.errors import InputError
from ionman.release import Version

MAINTAINER = "ionman <packages@ionman.example.org>"
# One Python only: the environment is made for the target's own. libc: what manylinux wheels are linked against.
DEPENDS = ("python3 (>= 3.11)", "python3 (<< 3.12)", "libc6 (>= 2.36)", "systemd")
APP = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
APP_LONGEST = 24  # useradd(8): an account has at most 32 characters, and `ionman-` comes first
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*(?P<version>[^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
HOW_TO_LOCK = (
    "put a requirements.lock with hashes beside the service, for ionman and all that it imports, and release again:\n"
    "  a service that needs only ionman:  cp packaging/locks/runtime.txt SERVICE/requirements.lock\n"
    "  one that needs more:  uv pip compile --python-version 3.11 --generate-hashes \\\n"
    "    --override packaging/locks/overrides.txt pyproject.toml SERVICE/requirements.in -o SERVICE/requirements.lock"
)


@dataclass(frozen=True)
class User:
    """An account that the package declares by sysusers.d(5)."""

    name: str
    comment: str


@dataclass(frozen=True)
class Directory:
    """A folder that the package declares by tmpfiles.d(5)."""

    path: str
    mode: str
    owner: str = "root"


@dataclass(frozen=True)
class Package:
    """One package to be: `release` of `app`; `name` and `version` are Debian's, `prefix` is where it lies."""

    app: str
    release: str
    name: str
    version: str
    prefix: str
    summary: str
    description: str
    homepage: str
    side_by_side: bool
    wheel: bool
    users: tuple[User, ...]
    directories: tuple[Directory, ...]
    links: Mapping[str, str]
    architecture: str = "amd64"

    @property
    def file(self) -> str:
        """The name of the .deb; what it was built from is beside it, ``.json`` instead of ``.deb``."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"


@dataclass(frozen=True)
class File:
    """A text file of the package besides the release and its environment."""

    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Build:
    """What only the build knows: its time in seconds since 1970, the size in KiB (Debian policy 5.6.20), what it was
    built from, in lines for people, and the URIs that its services declare (the router's role reads them with apt).
    """

    epoch: int
    installed_size: int
    origin: tuple[str, ...]
    procedures: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


def app_name(repository: str) -> str:
    """The application's name, from that of its repository: lower case, with hyphens; raises InputError."""
    name = re.sub(r"[._]+", "-", repository.rsplit("/", 1)[-1].lower())
    if APP.fullmatch(name) and len(name) <= APP_LONGEST:
        return name
    raise InputError(
        f"{name!r} cannot name an application's package and account",
        remedy=f"name the application (`app`): letters, digits and hyphens, a letter first, at most {APP_LONGEST}",
    )


def package(recipe: Mapping[str, Any], app: str, version: Version, *, architecture: str, revision: str = "") -> Package:
    """The package that `recipe` (a recipe.toml of packaging/) makes of one version of `app`.

    `revision` is appended to the Debian version of a package whose content can change under one version.
    """
    words = {"app": app, "version": version.name}
    side_by_side = bool(recipe["side_by_side"])
    return Package(
        app=app,
        release=version.name,
        name=f"{app}-{version.name}" if side_by_side else app,
        version=f"{version.debian}-1" if side_by_side else f"{version.debian}{revision}",
        prefix=f"/opt/{app}/{version.name}",
        summary=recipe["summary"].format(**words),
        description=recipe["description"].format(**words),
        homepage=recipe.get("homepage", ""),
        side_by_side=side_by_side,
        wheel=bool(recipe["wheel"]),
        users=tuple(
            User(user["name"].format(**words), user["comment"].format(**words)) for user in recipe.get("users", ())
        ),
        directories=tuple(Directory(**directory) for directory in recipe.get("directories", ())),
        links=dict(recipe.get("links", {})),
        architecture=architecture,
    )


def requirements(lock: str, where: str) -> dict[str, str]:
    """Name -> version of all that a lock pins; raises InputError unless each has ``==`` and a SHA-256 hash."""
    logical = re.sub(r"\\\n", " ", lock)
    found: dict[str, str] = {}
    for line in (text.strip() for text in logical.splitlines()):
        if not line or line.startswith("#"):
            continue
        match = REQUIREMENT.match(line)
        if match is None or not HASH.search(line):
            raise InputError(
                f"{where}: {line.split(' --hash')[0][:80]!r} has no version with hashes", remedy=HOW_TO_LOCK
            )
        found[re.sub(r"[-_.]+", "-", match["name"]).lower()] = match["version"]
    if not found:
        raise InputError(f"{where} locks nothing", remedy=HOW_TO_LOCK)
    return found


def absent(overrides: str) -> frozenset[str]:
    """The distributions that packaging/locks/overrides.txt leaves out: those with a marker that is never true."""
    lines = (line.split(";")[0].strip().lower() for line in overrides.splitlines() if ";" in line)
    return frozenset(line for line in lines if line and not line.startswith("#"))


def missing(check: str, left_out: Iterable[str]) -> list[str]:
    """The complaints in the output of ``uv pip check``, without those about what is `left_out` on purpose."""
    known = tuple(f"requires `{name}" for name in left_out)
    lines = (line.strip() for line in check.splitlines())
    return [line for line in lines if line.startswith("The package") and not any(name in line for name in known)]


def files(package: Package, templates: Mapping[str, str], build: Build) -> dict[str, File]:
    """The files beside the release: path in the package -> File; those below ``DEBIAN/`` are for dpkg-deb."""
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=False)  # noqa: S701 - no HTML
    values = {
        "package": package,
        "maintainer": MAINTAINER,
        "depends": DEPENDS,
        "installed_size": build.installed_size,
        "origin": build.origin,
        "procedures": build.procedures,
        "topics": build.topics,
        "date": formatdate(build.epoch),
    }

    def render(name: str) -> str:
        return environment.from_string(templates[name]).render(values).rstrip("\n") + "\n"

    name = package.name
    changelog = "changelog.Debian" if "-" in package.version else "changelog"  # policy 12.7: native packages
    made = {
        "DEBIAN/control": File(render("control")),
        f"usr/share/doc/{name}/{changelog}": File(render("changelog")),
        f"usr/share/doc/{name}/copyright": File(render("copyright")),
        f"usr/share/lintian/overrides/{name}": File(render("lintian-overrides")),
    }
    if package.users:
        made[f"usr/lib/sysusers.d/{name}.conf"] = File(render("sysusers.conf"))
        made["DEBIAN/postinst"] = File(render("postinst"), 0o755)
    if package.directories:
        made[f"usr/lib/tmpfiles.d/{name}.conf"] = File(render("tmpfiles.conf"))
    return made


@dataclass(frozen=True)
class Origin:
    """What a package is made from: digests of the lock and of the release's bytes (``""`` for one of our own tools)."""

    lock: str

    repository: str = ""
    tag: str = ""
    url: str = ""
    digest: str = ""

    @property
    def inputs(self) -> str:
        """The digest that stands for all of it: a release's bytes hold its lock."""
        return self.digest or self.lock

    def lines(self, package: Package) -> tuple[str, ...]:
        """What the changelog says."""
        if self.repository:
            return (f"Built from {self.repository} {self.tag}", self.digest)
        return (f"Built from the lock of {package.app}", self.lock)


def provenance(package: Package, origin: Origin, ionman: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    """The build.json in the package: what it is, and from what. Addresses of this machine stay out: they change."""
    services = {file: dict(said) for file, said in sorted(declared.items())}
    return {
        "app": package.app,
        "version": package.release,
        "release": {"repository": origin.repository, "tag": origin.tag, "url": origin.url},
        "digest": origin.digest,
        "lock": origin.lock,
        "ionman": ionman,
        "procedures": sorted({uri for said in services.values() for uri in said.get("procedures", ())}),
        "topics": sorted({uri for said in services.values() for uri in said.get("topics", ())}),
        "services": services,
    }


def standing(package: Package, previous: str | None, digest: str) -> bool:
    """Whether the .deb that stands may stay: its .json, `previous`, says that it was built from `digest`.

    Raises InputError when the same version was built from other bytes: a version means one content, for ever.
    """
    if previous is None:
        return False
    try:
        before = str(json.loads(previous)["inputs"])
    except (ValueError, KeyError, TypeError):
        return False
    if before == digest:
        return True
    raise InputError(
        f"{package.name} {package.version} was built from {before}, now it is {digest}: nothing was built",
        remedy="a version means one content: correct the pin, or release it under the next one; "
        f"or, if nobody has it yet, delete {package.file} and its .json and run this again",
    )
