"""The packages a controller wants: each release and tool that is named, built once and left alone afterwards.

The wanted state is one JSON object::

    {"github": "https://api.github.com", "output": "build/dist", "tools": ["ionman", "crossbar"],
     "releases": [{"repository": "owner/name", "tag": "v1.0.0", "digest": "sha256:...", "asset": "...", "token": "...",
                   "app": "..."}]}

`digest`, `asset`, `token` and `app` may be left out or empty.
"""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionman.debs import recipe
from ionman.debs.builder import HALF, Built, Tell, build, demand_root, runtime_wheel, standing
from ionman.debs.unpack import unpack
from ionman.errors import ConfigurationError
from ionman.lab.place import locked
from ionman.release import digest, repository_name
from ionman.releases.github import PUBLIC, GitHub

KEYS = {"github", "output", "tools", "releases"}
RELEASE_KEYS = {"repository", "tag", "digest", "asset", "token", "app"}


@dataclass(frozen=True)
class Wish:
    """One release that is wanted as a package."""

    repository: str
    tag: str
    digest: str | None = None
    asset: str | None = None
    token: str | None = field(default=None, repr=False)
    app: str = ""


@dataclass(frozen=True)
class State:
    """All that is wanted."""

    output: Path
    github: str = PUBLIC
    tools: tuple[str, ...] = ()
    releases: tuple[Wish, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """One package of the state: `path` and `digest` (of the .deb) are None when it was only said what would be done."""

    package: str
    version: str
    changed: bool
    path: str | None
    digest: str | None


def read(data: Any) -> State:
    """The state in parsed JSON; raises ConfigurationError that names the key."""
    _known(data, KEYS, "the wanted packages")
    output = data.get("output")
    if not isinstance(output, str) or not output:
        raise ConfigurationError("output: no folder is named", remedy="name the folder for the packages (deb_output)")
    tools = _strings(data.get("tools", []), "tools")
    for tool in tools:
        if tool not in recipe.TOOLS:
            raise ConfigurationError(f"tools: {tool!r} is none", remedy=f"there are: {', '.join(recipe.TOOLS)}")
    releases = data.get("releases", [])
    if not isinstance(releases, list):
        raise ConfigurationError("releases: not a list", remedy="write a list of {repository, tag}")
    wishes = tuple(_wish(entry, f"releases[{number}]") for number, entry in enumerate(releases))
    return State(Path(output).resolve(), str(data.get("github") or PUBLIC), tools, wishes)


def _wish(entry: Any, where: str) -> Wish:
    _known(entry, RELEASE_KEYS, where)
    for key in ("repository", "tag"):
        if not entry.get(key):
            raise ConfigurationError(f"{where}: {key} is missing", remedy="write {repository: owner/name, tag: v1.0.0}")
    given = {key: str(value) for key, value in entry.items() if value}
    if "digest" in given:
        given["digest"] = digest(given["digest"], f"{where}: digest")
    repository_name(given["repository"])
    return Wish(**given)


def _known(data: Any, keys: set[str], where: str) -> None:
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{where}: not a mapping", remedy=f"its keys are: {', '.join(sorted(keys))}")
    if unknown := set(data) - keys:
        raise ConfigurationError(
            f"{where}: unknown key {min(unknown)!r}", remedy=f"its keys are: {', '.join(sorted(keys))}"
        )


def _strings(data: Any, where: str) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
        raise ConfigurationError(f"{where}: not a list of names", remedy="write a list")
    return tuple(data)


def apply(state: State, tell: Tell, *, check: bool = False) -> list[Outcome]:
    """Build what is wanted and does not stand yet; with `check` only say what would be built.

    One at a time works in an output folder; what a killed run left there is taken away by the next.
    """
    with ExitStack() as stack:
        if not check:
            demand_root()
            state.output.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(state.output / ".lock", tell))
            for half in state.output.glob(f"{HALF}*"):
                shutil.rmtree(half)
        work = _Dist(state, tell, check, stack)
        return [*(work.release(wish) for wish in state.releases), *(work.tool(name) for name in state.tools)]


class _Dist:
    """One run over a state."""

    def __init__(self, state: State, tell: Tell, check: bool, stack: ExitStack) -> None:
        self.state, self.tell, self.check, self.stack = state, tell, check, stack
        self._wheel: Path | None = None

    @property
    def wheel(self) -> Path:
        """The wheel of this tree's ionman, made at the first use and kept for the run."""
        if self._wheel is None:
            self._wheel = self.stack.enter_context(runtime_wheel())
        return self._wheel

    def release(self, wish: Wish) -> Outcome:
        """The package of one release. With a pin, and the package there, nobody is asked."""
        package = recipe.application_package(wish.repository, wish.tag, wish.app)
        there = standing(package, wish.digest, self.state.output) if wish.digest else None
        if there:
            return self._outcome(there)
        api = GitHub(self.state.github, token=wish.token, progress=self.tell)
        self.tell(f"{package.name}: looking at {wish.repository} {wish.tag}")
        wanted = api.look(wish.repository, wish.tag, asset=wish.asset, pin=wish.digest)
        there = standing(package, wanted.trust.digest, self.state.output) if wanted.trust else None
        if there:
            return self._outcome(there)
        if self.check:
            return Outcome(package.name, package.version, True, None, None)
        fetched = api.fetch(wanted)
        job = recipe.application(package, fetched, unpack(fetched.path), self.wheel)
        return self._outcome(build(job, self.state.output, self.tell))

    def tool(self, name: str) -> Outcome:
        """The package of one of our own tools."""
        job = recipe.tool(name, self.wheel)
        there = standing(job.package, job.origin.inputs, self.state.output)
        if there is None and self.check:
            return Outcome(job.package.name, job.package.version, True, None, None)
        built = there or build(job, self.state.output, self.tell)
        if not job.package.side_by_side:  # a newer one takes the place of an older one, here as on the hosts
            for older in self.state.output.glob(f"{job.package.name}_*_{job.package.architecture}.*"):
                if older.stem != built.path.stem:
                    older.unlink()
        return self._outcome(built)

    def _outcome(self, built: Built) -> Outcome:
        return Outcome(built.package.name, built.package.version, built.fresh, str(built.path), built.digest)
