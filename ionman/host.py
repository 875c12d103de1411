"""What has to happen on a host: the desired state and what was found, compared. Pure; `ionman.apply` does it.

What runs is named by what it is: a *generation* is a hash of everything that makes an instance what it is. To change is
to start a new generation beside the old, to wait until every instance of it is ready, and only then to drain the old.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ionman.errors import InputError
from ionman.hosts.state import Service

PROGRAM = re.compile(r"(?P<service>[a-z][a-z0-9_-]*)\.(?P<generation>[0-9a-f]{8})\.(?P<number>[1-9][0-9]*)")
FORM = 1  # of the run scripts: a change of the templates that running instances must get counts up here
KEPT_LOGS = 3  # generations of a service that no longer run, whose logs are kept
KEEP = "keep"  # the verb of a step that changes nothing


class Missing(InputError):  # noqa: N818
    """Something that an earlier step of a deploy brings is not on the host; a check goes on without it."""


@dataclass(frozen=True)
class Build:
    """An installed version: the text of its build.json, and which of its files are services."""

    text: str
    files: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Found:
    """A program folder on the host. `proven`: it was ready once; `note`: why it is not ready, in its own words.

    `stopped`: supervise is there and its program is not, as after ``svc -d``.
    """

    linked: bool = True
    stopped: bool = False
    ready: bool = True
    proven: bool = True
    version: str = ""
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """What is on the host. Names of files are relative to the folder of configurations; logs map to their age (s)."""

    builds: Mapping[tuple[str, str], Build | None] = field(default_factory=dict)
    programs: Mapping[str, Found] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    runs: frozenset[str] = frozenset()
    logs: Mapping[str, float] = field(default_factory=dict)


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
class Plan:
    """The steps, in order, and what they lead to."""

    steps: tuple[Step, ...]
    goals: tuple[Goal, ...] = ()

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
    limits = [service.open_files, service.memory]
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
    head = f"# {service.name} {service.version}, generation {name}. Written by `ionman host apply`.\n"
    files[f"{base}/config.ini"] = head + "".join(f"{key} = {settings[key]}\n" for key in sorted(settings))
    return Goal(service, name, files)


def plan(services: tuple[Service, ...], facts: Facts, folder: str) -> Plan:
    """The steps that make the host run `services` and nothing else."""
    goals = tuple(goal(service, facts, folder, f"services[{i}]") for i, service in enumerate(services))
    wanted = {program: one for one in goals for program in one.programs}
    steps = [
        *(step for one in goals for step in _write(one, facts)),
        *(step for one in goals for step in _start(one, facts)),
        *(step for one in goals for step in _await(one, facts)),
        *_drain(goals, wanted, facts),
        *_forget(goals, wanted, facts),
    ]
    steps.extend(_keep(goals, facts, {step.target for step in steps}))
    return Plan(tuple(steps), goals)


def _write(one: Goal, facts: Facts) -> Iterator[Step]:
    for name, text in one.files.items():
        if name not in facts.files:
            yield Step("write", name, _reason(one, facts))
        elif facts.files[name] != text:
            yield Step("write", name, "is not what it should be")


def _reason(one: Goal, facts: Facts) -> str:
    """Why there is a new generation."""
    old = {found.version for name, found in facts.programs.items() if name.split(".")[0] == one.service.name}
    if not old:
        return "first on this host"
    if one.service.version not in old:
        return f"version {', '.join(sorted(old))} -> {one.service.version}"
    return "configuration, environment or build changed"


def _start(one: Goal, facts: Facts) -> Iterator[Step]:
    for number, program in enumerate(one.programs, 1):
        found = facts.programs.get(program)
        if found is None:
            yield Step("start", program, f"instance {number} of {one.service.instances}, version {one.service.version}")
        elif not found.linked:
            yield Step("start", program, "was left half done")
        elif found.stopped:
            yield Step("start", program, "was stopped")


def _await(one: Goal, facts: Facts) -> Iterator[Step]:
    for program in one.programs:
        found = facts.programs.get(program)
        within = f"ready within {one.service.ready_timeout:g} s"
        if found is None or not found.linked:
            yield Step("await", program, within)
        elif not found.ready:
            yield Step("await", program, f"{within}; now {found.note or 'not ready'}")


def _drain(goals: tuple[Goal, ...], wanted: Mapping[str, Goal], facts: Facts) -> Iterator[Step]:
    by_service = {one.service.name: one for one in goals}
    for program in sorted(facts.programs):
        split = parts(program)
        if split is None or program in wanted:
            continue
        one = by_service.get(split[0])
        if one is None:
            why = "the service is not wanted here any more"
        elif one.generation != split[1]:
            why = f"replaced by {one.generation}"
        else:
            why = f"only {one.service.instances} wanted"
        yield Step("drain", program, why)


def _forget(goals: tuple[Goal, ...], wanted: Mapping[str, Goal], facts: Facts) -> Iterator[Step]:
    """What is left of generations and programs that are gone."""
    files = {f"{one.service.name}/{one.generation}" for one in goals}
    for base in sorted({name.rsplit("/", 1)[0] for name in facts.files} - files):
        yield Step("forget", base, "no instance runs with it")
    alive = {*wanted, *facts.programs}
    for program in sorted(facts.runs):
        if parts(program) and program not in alive:
            yield Step("forget", program, "run folder of a program that is gone")
    by_service: dict[str, dict[str, list[str]]] = {}
    for program in facts.logs:
        split = parts(program)
        if split and program not in wanted:
            by_service.setdefault(split[0], {}).setdefault(split[1], []).append(program)
    for generations in by_service.values():
        newest = sorted(generations, key=lambda one: min(facts.logs[log] for log in generations[one]))
        for old in newest[KEPT_LOGS:]:
            for program in sorted(generations[old]):
                yield Step("forget", f"log {program}", f"older than the last {KEPT_LOGS} generations")


def _keep(goals: tuple[Goal, ...], facts: Facts, touched: set[str]) -> Iterator[Step]:
    for one in goals:
        if not one.programs:
            yield Step(KEEP, one.service.name, "no instances wanted")
        for program in one.programs:
            if program not in touched and facts.programs[program].ready:
                yield Step(KEEP, program, f"version {one.service.version} is ready; nothing to do")
