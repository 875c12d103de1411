"""What a host should run and what was found on it: the values that `ionman.handover` compares. Pure.

What runs is named by what it is: a *generation* is a hash of everything that makes an instance what it is. To change is
to start a new generation beside the old, to wait until instances of it are ready, and only then to drain the old.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ionman.errors import InputError
from ionman.hosts.state import Service
from ionman.record import Memory, Ran

PROGRAM = re.compile(r"(?P<service>[a-z][a-z0-9_-]*)\.(?P<generation>[0-9a-f]{8})\.(?P<number>[1-9][0-9]*)")
FORM = 2  # of the run scripts: a change of the templates that running instances must get counts up here
KEEP = "keep"  # the verb of a step that changes nothing


class Missing(InputError):  # noqa: N818
    """Something that an earlier step of a deploy brings is not on the host; a check goes on without it."""


@dataclass(frozen=True)
class Build:
    """An installed version: the text of its build.json, which of its files are services, and what each answers.

    `offers`: file -> URIs of procedures; a file that nothing is said of is not in it.
    """

    text: str
    files: frozenset[str] = frozenset()
    offers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A program folder on the host. `proven`: it was ready once; `note`: why it is not ready, in its own words.

    `stopped`: supervise is there and its program is not, as after ``svc -d``. `answers`: the URIs of its author's
    procedures, while it is ready.
    """

    linked: bool = True
    stopped: bool = False
    ready: bool = True
    proven: bool = True
    version: str = ""
    schedule: str = "roundrobin"
    note: str = ""
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Facts:
    """What is on the host. Names of files are relative to the folder of configurations; logs map to their age (s)."""

    builds: Mapping[tuple[str, str], Build | None] = field(default_factory=dict)
    programs: Mapping[str, Found] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()
    logs: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, Memory] = field(default_factory=dict)

    def of(self, service: str) -> dict[str, Found]:
        """The programs of `service`."""
        return {name: one for name, one in self.programs.items() if (split := parts(name)) and split[0] == service}


@dataclass(frozen=True)
class Step:
    """One thing to do, to what, and why."""

    verb: str
    target: str
    why: str

    def __str__(self) -> str:
        return f"{self.verb:<7} {self.target:<28} {self.why}".rstrip()


@dataclass(frozen=True)
class Goal:
    """A service with the generation that it should be: file names (relative) and their whole text."""

    service: Service
    generation: str
    files: Mapping[str, str]

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs of all instances."""
        return tuple(f"{self.service.name}.{self.generation}.{n + 1}" for n in range(self.service.instances))


@dataclass(frozen=True)
class Work:
    """What is to be done for one service, in order; `goal` is None for one that is not wanted any more.

    `ran` is what is put back when the new does not hold, None where nothing is replaced; `before` is what there was.
    """

    service: str
    goal: Goal | None
    steps: tuple[Step, ...]
    ran: Ran | None = None
    before: Ran | None = None

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return any(step.verb != KEEP for step in self.steps)

    @property
    def to(self) -> Ran | None:
        """What it leads to; None for nothing."""
        if self.goal is None:
            return None
        return Ran(self.goal.generation, self.goal.service.version, self.goal.service.instances)


@dataclass(frozen=True)
class Plan:
    """What is to be done for each service, and then with what is left of generations that are gone."""

    works: tuple[Work, ...] = ()
    tidy: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in order."""
        return (*(step for work in self.works for step in work.steps), *self.tidy)

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What the services should become."""
        return tuple(work.goal for work in self.works if work.goal is not None)

    @property
    def changed(self) -> bool:
        """Whether anything is to be done."""
        return any(step.verb != KEEP for step in self.steps)

    def targets(self, verb: str) -> tuple[str, ...]:
        """What is to be done to, for one verb."""
        return tuple(step.target for step in self.steps if step.verb == verb)


def parts(program: str) -> tuple[str, str, int] | None:
    """Service, generation and number of `program`; None when it is no instance of a service."""
    match = PROGRAM.fullmatch(program)
    return (match["service"], match["generation"], int(match["number"])) if match else None


def generation(service: Service, build: str) -> str:
    """Eight hex digits that change with everything that makes an instance what it is.

    A secret goes in through scrypt (RFC 7914), because the digits are public and a plain hash would let a weak
    password be guessed from them.
    """
    hidden = {**service.settings, **service.secrets}
    blurred = {key: _blur(service.name, key, hidden[key]) for key in sorted(service.hidden)}
    shown = {key: value for key, value in service.settings.items() if key not in blurred}
    whole = [FORM, service.app, service.version, service.file, build, shown, blurred, dict(service.environment)]
    limits = [service.open_files, service.memory, service.supervisor, list(service.verify)]
    return hashlib.sha256(json.dumps([whole, limits], sort_keys=True).encode()).hexdigest()[:8]


def _blur(name: str, key: str, secret: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=f"ionman {name} {key}".encode(), n=2**13, r=8, p=1, dklen=16).hex()


def goal(service: Service, facts: Facts, folder: str, place: str = "services") -> Goal:
    """What `service` should become; `folder` is the path of all configurations on the host.

    Raises `InputError` when its version or its file is not there.
    """
    build = facts.builds.get((service.app, service.version))
    if build is None:
        raise Missing(
            f"{place}.version: {service.app} {service.version} is not installed on this host",
            remedy=f"install the package {service.app}-{service.version} first (playbooks/host.yml)",
        )
    if service.file not in build.files:
        there = ", ".join(sorted(build.files)) or "none"
        raise InputError(f"{place}.file: {service.app} {service.version} has no {service.file}; it has: {there}")
    name = generation(service, build.text)
    base = f"{service.name}/{name}"
    settings = {**service.settings, **{key: value for key, value in service.secrets.items() if key != "key"}}
    files = {}
    if "key" in service.secrets:
        settings["key"] = f"{folder}/{base}/key"
        files[f"{base}/key"] = service.secrets["key"] + "\n"
    if service.verify:
        files[f"{base}/verify.json"] = json.dumps(list(service.verify), indent=1, sort_keys=True) + "\n"
    head = f"# {service.name} {service.version}, generation {name}. Written by `ionman host apply`.\n"
    files[f"{base}/config.ini"] = head + "".join(f"{key} = {settings[key]}\n" for key in sorted(settings))
    return Goal(service, name, files)
