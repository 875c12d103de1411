"""The figures of a host, and whether it is well: values, and how they are told to Prometheus. Pure.

Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` for what only grows. An instance of a
service is the label `program`, for `instance` is Prometheus's own word for the address that it asks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from ionman import __version__

MILLI = 1e-3


@dataclass(frozen=True)
class Process:
    """What a program's processes use together: memory (resident, bytes), processor time (s), open files."""

    memory: int = 0
    cpu: float = 0.0
    files: int = 0


@dataclass(frozen=True)
class Program:
    """A supervised program. `said` is what an instance says of itself (`ionman.control`), empty for the router."""

    name: str
    service: str
    version: str = ""
    generation: str = ""
    note: str = ""  # why it is not ready; empty when it is
    failures: int = 0
    seconds: int = 0
    process: Process | None = None
    said: Mapping[str, Any] = field(default_factory=dict)
    took: float = 0.0  # s, to find all that out


@dataclass(frozen=True)
class Realm:
    """A realm of the host's router: role -> sessions, URI -> callees, router -> how the link to it is.

    A link is ``{"up", "sent", "waiting", "lost"}`` (ionman.routers.link).
    """

    name: str
    sessions: Mapping[str, int] = field(default_factory=dict)
    callees: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate:
    """A certificate on the host, and the seconds until it ends (negative when it has)."""

    path: str
    subject: str
    left: float


@dataclass(frozen=True)
class Check:
    """One thing that was tried: `what` (router, or a service), by which way, whether it held, in how many seconds."""

    what: str
    way: str
    why: str = ""  # it did not hold; empty when it did
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """Everything that is known of a host at one moment; `troubles` are what could not be looked at: what -> why."""

    programs: tuple[Program, ...] = ()
    realms: tuple[Realm, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    checks: tuple[Check, ...] = ()
    troubles: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def well(checks: Iterable[Check]) -> bool:
    """Whether everything that was tried held."""
    return not any(check.why for check in checks)


def answer(checks: Iterable[Check]) -> dict[str, Any]:
    """The health answer: `{"status": "OK" | "FAIL", "checks": [{"what", "way", "ok", "why", "ms"}]}`."""
    rows = [
        {"what": one.what, "way": one.way, "ok": not one.why, "why": one.why, "ms": round(one.seconds / MILLI, 1)}
        for one in checks
    ]
    return {"status": "OK" if all(row["ok"] for row in rows) else "FAIL", "checks": rows}


def lines(checks: Iterable[Check]) -> list[str]:
    """The health answer for a reader."""
    return [f"{one.what} by {one.way}: {one.why or f'answered in {one.seconds / MILLI:.1f} ms'}" for one in checks]


def exposition(snapshot: Snapshot) -> bytes:
    """The text that Prometheus reads (its text format 0.0.4)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


class _Collector:
    """As the library asks for metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        return families(self._snapshot)


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """All metrics of `snapshot`."""
    yield InfoMetricFamily("ionman_build", "The ionman that tells this.", value={"version": __version__})
    yield _gauge("ionman_collect_seconds", "Seconds that it took to look.", [({}, snapshot.seconds)])
    troubles = [({"what": what}, 1.0) for what in sorted(snapshot.troubles)]
    yield _gauge("ionman_collect_trouble", "1 for what could not be looked at; the log says why.", troubles, ("what",))
    yield from _programs(snapshot.programs)
    yield from _calls([one for one in snapshot.programs if one.said])
    yield from _realms(snapshot.realms)
    left = [({"path": one.path, "subject": one.subject}, one.left) for one in snapshot.certificates]
    yield _gauge("ionman_certificate_seconds_left", "Seconds until a certificate ends.", left, ("path", "subject"))
    yield from _checks(snapshot.checks)


Rows = list[tuple[dict[str, str], float]]


def _gauge(name: str, text: str, rows: Rows, labels: tuple[str, ...] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric([values[label] for label in labels], value)
    return family


def _counter(name: str, text: str, rows: Rows, labels: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in rows:
        family.add_metric([values[label] for label in labels], value)
    return family


WHO = ("service", "program")


def _who(one: Program) -> dict[str, str]:
    return {"service": one.service, "program": one.name}


def _programs(programs: Iterable[Program]) -> Iterator[Metric]:
    programs = tuple(programs)
    told = InfoMetricFamily("ionman_program", "What a supervised program is.", labels=WHO)
    for one in programs:
        told.add_metric([one.service, one.name], {"version": one.version, "generation": one.generation})
    yield told
    yield _gauge("ionman_program_ready", "1 when it is ready.", [(_who(one), not one.note) for one in programs], WHO)
    ends = [(_who(one), float(one.failures)) for one in programs]
    yield _gauge("ionman_program_failures", "Quick ends in a row, counted before each start.", ends, WHO)
    yield _gauge(
        "ionman_program_up_seconds", "Age of its process.", [(_who(p), float(p.seconds)) for p in programs], WHO
    )
    used = [(_who(one), one.process) for one in programs if one.process is not None]
    memory = [(who, float(process.memory)) for who, process in used]
    yield _gauge("ionman_program_memory_bytes", "Resident memory of all its processes.", memory, WHO)
    files = [(who, float(process.files)) for who, process in used]
    yield _gauge("ionman_program_open_files", "Open files of all its processes.", files, WHO)
    cpu = [(who, process.cpu) for who, process in used]
    yield _counter("ionman_program_cpu_seconds", "Processor time of the processes that it has now.", cpu, WHO)


def _calls(instances: Iterable[Program]) -> Iterator[Metric]:
    instances = tuple(instances)
    labels = (*WHO, "procedure")
    tallies = [
        ({**_who(one), "procedure": uri}, tally)
        for one in instances
        for uri, tally in sorted(one.said.get("stats", {}).items())
    ]
    calls = [(who, float(tally["calls"])) for who, tally in tallies]
    yield _counter("ionman_calls", "Calls that were answered, with an error or not.", calls, labels)
    errors = [(who, float(tally["errors"])) for who, tally in tallies]
    yield _counter("ionman_call_errors", "Calls that were answered with an error.", errors, labels)
    took = HistogramMetricFamily("ionman_call_duration_seconds", "Seconds from a call to its answer.", labels=labels)
    for who, tally in tallies:
        took.add_metric([who[label] for label in labels], buckets(tally), tally["total_ms"] * MILLI)
    yield took
    flight = [(_who(one), float(one.said.get("in_flight", 0))) for one in instances]
    yield _gauge("ionman_in_flight", "Calls and events that are being worked on.", flight, WHO)
    joined = [
        ({**_who(one), "router": router}, float(there.get("state") == "ready"))
        for one in instances
        for router, there in sorted(one.said.get("routers", {}).items())
    ]
    text = "1 when an instance is registered on a router."
    yield _gauge("ionman_instance_on_router", text, joined, (*WHO, "router"))


def buckets(tally: Mapping[str, Any]) -> list[tuple[str, float]]:
    """(upper bound in s, calls up to it); an instance with an older runtime tells only how many there were."""
    told = [(f"{bound * MILLI:g}", float(count)) for bound, count in tally.get("buckets_ms", ())]
    return [*told, ("+Inf", float(tally["calls"]))]


def _realms(realms: Iterable[Realm]) -> Iterator[Metric]:
    realms = tuple(realms)
    sessions: Rows = [
        ({"realm": one.name, "role": role}, float(count)) for one in realms for role, count in one.sessions.items()
    ]
    yield _gauge("ionman_router_sessions", "Sessions on this host's router.", sessions, ("realm", "role"))
    registered: Rows = [({"realm": one.name}, float(len(one.callees))) for one in realms]
    yield _gauge("ionman_router_registrations", "Procedures on this host's router.", registered, ("realm",))
    callees: Rows = [
        ({"realm": one.name, "procedure": uri}, float(count)) for one in realms for uri, count in one.callees.items()
    ]
    text = "Sessions that have registered a procedure of a service on this host's router."
    yield _gauge("ionman_router_callees", text, callees, ("realm", "procedure"))
    yield from _links(realms)


def _links(realms: Iterable[Realm]) -> Iterator[Metric]:
    labels = ("realm", "router")
    links = [({"realm": one.name, "router": name}, link) for one in realms for name, link in sorted(one.links.items())]
    up = [(who, float(link["up"])) for who, link in links]
    yield _gauge("ionman_router_link_up", "1 when events get from this router to another.", up, labels)
    waiting = [(who, float(link["waiting"])) for who, link in links]
    yield _gauge("ionman_router_link_waiting", "Events that wait for a link.", waiting, labels)
    sent = [(who, float(link["sent"])) for who, link in links]
    yield _counter("ionman_router_link_sent", "Events that a link has taken over.", sent, labels)
    lost = [(who, float(link["lost"])) for who, link in links]
    yield _counter("ionman_router_link_lost", "Events that found no room while a link was down.", lost, labels)


def _checks(checks: Iterable[Check]) -> Iterator[Metric]:
    checks = tuple(checks)
    labels = ("what", "way")
    held: Rows = [({"what": one.what, "way": one.way}, float(not one.why)) for one in checks]
    yield _gauge(
        "ionman_health", "1 when it was called and answered: a router, or a service by a router.", held, labels
    )
    took: Rows = [({"what": one.what, "way": one.way}, one.seconds) for one in checks if not one.why]
    yield _gauge("ionman_health_seconds", "Seconds until it answered.", took, labels)
