"""The desired state of a host, as it comes in: checked, and made into values.

Shape (JSON; sections that are absent are left alone, a section that is there is the whole truth)::

    {"services": [{"name", "app", "version", "file", "instances", "config": {}, "secrets": {}, "environment": {},
                   "ready_timeout": s, "limits": {"open_files", "memory": MB}, "supervisor", "verify": [], "surge",
                   "canary", "soak": s, "soak_errors", "soak_latency", "allow_gap", "retry"}],
     "deploy":   {"id", "who", "what"}, "allow_gap",
     "router":   {"version", "address", "port", "certificate", "key", "chain": [], "realms": [], "services": [],
                  "ready_timeout": s, "supervisor", "rolling": {}},
     "metrics":  {"address", "port", "supervisor"}}

`secrets` are settings like those of `config` that no output shows; `secrets.key` is the Ed25519 private key itself
(hex) and gets a file of its own. Everything wrong raises `InputError` and names its place: ``services[0].config.port``.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ionman.errors import InputError
from ionman.hosts import endpoint, how, rolling
from ionman.hosts.endpoint import Metrics
from ionman.hosts.how import How
from ionman.hosts.rolling import Rolling
from ionman.hosts.section import Section, kind
from ionman.settings import KEYS, OWN, Wrong

NAME = re.compile(r"[a-z][a-z0-9_-]{0,24}")  # `ionman-` and this make an account name: 32 characters, useradd(8)
VERSION = re.compile(r"[0-9][0-9A-Za-z.+~-]{0,40}")
FILE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\.py")
HOSTS_OWN = frozenset({"service", "control", "pidfile"})  # settings that the host makes itself
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECRET = re.compile(r"password|secret|token")

MAX_INSTANCES = 64
READY_TIMEOUT = 60.0  # seconds
DRAIN_TIMEOUT = 30.0  # seconds; the default of ionman.settings
OPEN_FILES = 4096
MEMORY = 512  # MB of data segment
SUPERVISORS = ("svc", "systemd")
SINGLE = "single"


@dataclass(frozen=True)
class Deploy:
    """Who asked for it, for the record; empty where nobody said."""

    id: str = ""
    who: str = ""
    what: str = ""


@dataclass(frozen=True)
class Service:
    """One service of this host: what to run, how often, and with which settings (all as the text of config.ini)."""

    name: str
    app: str
    version: str
    file: str
    instances: int
    settings: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_timeout: float = READY_TIMEOUT
    drain_timeout: float = DRAIN_TIMEOUT
    open_files: int = OPEN_FILES
    memory: int = MEMORY
    supervisor: str = SUPERVISORS[0]
    verify: tuple[Mapping[str, Any], ...] = ()
    how: How = field(default_factory=How)
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def schedule(self) -> str:
        """How callers are shared out; WAMP wants one policy of all callees of a procedure."""
        return self.settings.get("schedule", "roundrobin")

    @property
    def hidden(self) -> frozenset[str]:
        """The settings that no output shows."""
        return frozenset({*self.secrets, *(key for key in self.settings if SECRET.search(key))})


@dataclass(frozen=True)
class Router:
    """The router of this host; `description` is what `ionman.router.node` takes."""

    version: str
    address: str
    port: int
    certificate: str
    key: str
    chain: tuple[str, ...]
    description: Mapping[str, Any]
    ready_timeout: float = READY_TIMEOUT
    supervisor: str = SUPERVISORS[0]
    rolling: Rolling = field(default_factory=Rolling)


@dataclass(frozen=True)
class State:
    """The desired state; None for a section that is not converged."""

    services: tuple[Service, ...] | None = None
    router: Router | None = None
    deploy: Deploy = field(default_factory=Deploy)
    allow_gap: bool = False
    metrics: Metrics | None = None


def read(text: str) -> State:
    """The state that `text` (JSON) describes."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"the desired state is not JSON: {error}", remedy="pass it on standard input; see docs/host.md"
        ) from error
    if not isinstance(document, dict):
        raise InputError(f"the desired state must be an object, is {kind(document)}", remedy="see docs/host.md")
    whole = Section(document, "")
    services = _services(whole.take("services", list)) if whole.has("services") else None
    router = _router(whole.take("router", dict)) if whole.has("router") else None
    deploy = _deploy(Section(whole.take("deploy", dict, {}), "deploy"))
    allow_gap: bool = whole.take("allow_gap", bool, False)
    metrics = endpoint.read(Section(whole.take("metrics", dict), "metrics")) if whole.has("metrics") else None
    whole.done()
    return State(services, router, deploy, allow_gap, metrics)


def _deploy(section: Section) -> Deploy:
    text = re.compile(r"[^\x00-\x1f\x7f]{0,200}")
    deploy = Deploy(*(section.text(key, text, "") for key in ("id", "who", "what")))
    section.done()
    return deploy


def _services(items: list[Any]) -> tuple[Service, ...]:
    services: list[Service] = []
    for index, item in enumerate(items):
        one = service(item, f"services[{index}]")
        if one.name in {other.name for other in services}:
            raise InputError(f"services[{index}].name: {one.name!r} is there twice")
        services.append(one)
    return tuple(services)


def service(entry: Any, place: str) -> Service:
    """The service that `entry` describes; `place` is where it stands."""
    section = Section(entry, place)
    name = section.text("name", NAME)
    limits = Section(section.take("limits", dict, {}), section.at("limits"))
    secrets = _settings(Section(section.take("secrets", dict, {}), section.at("secrets")))
    settings = _settings(Section(section.take("config", dict, {}), section.at("config")))
    twice = sorted(set(secrets) & set(settings))
    if twice:
        raise InputError(f"{section.at('secrets')}.{twice[0]}: is in config too", remedy="leave it in one of them")
    _complete(section, {**settings, **secrets})
    made = Service(
        name=name,
        app=section.text("app", NAME, name),
        version=section.text("version", VERSION),
        file=section.text("file", FILE, f"{name.replace('-', '_')}.py"),
        instances=section.whole("instances", 0, MAX_INSTANCES, 1),
        settings={"service": name, **settings},
        secrets=secrets,
        environment=_environment(Section(section.take("environment", dict, {}), section.at("environment"))),
        ready_timeout=section.number("ready_timeout", 1, 3600, READY_TIMEOUT),
        drain_timeout=float(settings.get("drain_timeout", DRAIN_TIMEOUT)),
        open_files=limits.whole("open_files", 64, 1048576, OPEN_FILES),
        memory=limits.whole("memory", 64, 1048576, MEMORY),
        supervisor=_supervisor(section),
        verify=how.verify(section),
        how=how.read(section),
        entry=entry,
    )
    limits.done()
    section.done()
    if made.schedule == SINGLE and made.instances > 1:
        raise InputError(f"{section.at('instances')}: schedule = single lets one instance register, not more")
    return made


def _supervisor(section: Section) -> str:
    return section.text("supervisor", re.compile("|".join(SUPERVISORS)), SUPERVISORS[0])


def _settings(section: Section) -> dict[str, str]:
    """The settings of config.ini as text; a list becomes `a, b`, a bool `True`."""
    settings = {}
    for key in section.keys:
        value = section.take(key, (str, int, float, bool, list))
        parts = value if isinstance(value, list) else [value]
        text = ", ".join(str(part) for part in parts)
        if not text.isprintable() or text != text.strip():
            raise InputError(f"{section.at(key)}: has a line break, a control character or a space around it")
        _fits(section.at(key), key, text)
        settings[key] = text
    return settings


def _fits(place: str, key: str, text: str) -> None:
    """Refuse what a service would refuse at its start."""
    if OWN.fullmatch(key):
        return
    if key not in KEYS or key in HOSTS_OWN:
        known = ", ".join(sorted(set(KEYS) - HOSTS_OWN))
        raise InputError(f"{place}: is no setting of a service", remedy=f"known here: app_* and {known}")
    if not text:
        raise InputError(f"{place}: is empty")
    try:
        KEYS[key](text)
    except Wrong as error:
        raise InputError(f"{place}: {error}") from error


def _complete(section: Section, settings: Collection[str]) -> None:
    """Refuse settings that a service cannot start with; each choice is made once."""
    for first, other in (("realm", ""), ("user", ""), ("password", "key"), ("routers", "host")):
        if first not in settings and other not in settings:
            raise InputError(f"{section.at('config')}.{first}: is missing")
        if first in settings and other in settings:
            raise InputError(f"{section.at('config')}.{other}: stands beside {first}", remedy="keep one of them")
    if "host" in settings and "port" not in settings:
        raise InputError(f"{section.at('config')}.port: is missing")


def _environment(section: Section) -> dict[str, str]:
    environment = {}
    for key in section.keys:
        if not VARIABLE.fullmatch(key) or key.startswith("IONMAN_"):
            raise InputError(f"{section.at(key)}: cannot be set here", remedy="IONMAN_ names belong to ionman")
        environment[key] = section.take(key, str)
        if "\0" in environment[key]:
            raise InputError(f"{section.at(key)}: has a NUL character")
    return environment


def _router(value: dict[str, Any]) -> Router:
    section = Section(value, "router")
    path = re.compile(r"/[^\0\n]+")
    chain = section.take("chain", list, [])
    for index, item in enumerate(chain):
        if not isinstance(item, str) or not path.fullmatch(item):
            raise InputError(f"router.chain[{index}]: must be an absolute path")
    section.take("realms", list)
    section.take("services", list, [])
    return Router(
        version=section.text("version", VERSION),
        address=section.text("address", re.compile(r"[0-9A-Fa-f.:]+"), "0.0.0.0"),  # noqa: S104 - a router listens
        port=section.whole("port", 1, 65535, 8443),
        certificate=section.text("certificate", path),
        key=section.text("key", path),
        chain=tuple(chain),
        description=value,
        ready_timeout=section.number("ready_timeout", 1, 3600, READY_TIMEOUT),
        supervisor=_supervisor(section),
        rolling=rolling.read(Section(section.take("rolling", dict, {}), section.at("rolling"))),
    )
