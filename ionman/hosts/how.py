"""The keys of a service that say how it is replaced, and what it must answer before it has callers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ionman.errors import InputError
from ionman.hosts.section import Section

SOAK_ERRORS = 0.01  # by which the new share of errors may exceed the old
SOAK_LATENCY = 3.0  # times which the new mean latency may be the old
MOST = 64  # instances


@dataclass(frozen=True)
class How:
    """How a service is replaced on this host: docs/host.md has each key. Times in seconds."""

    surge: int = 1
    canary: int = 1
    soak: float = 0.0
    soak_errors: float = SOAK_ERRORS
    soak_latency: float = SOAK_LATENCY
    allow_gap: bool = False
    retry: bool = False


def read(section: Section) -> How:
    """The keys that say how."""
    surge = section.whole("surge", 1, MOST, 1)
    return How(
        surge=surge,
        canary=section.whole("canary", 1, MOST, surge),
        soak=section.number("soak", 0, 3600, 0),
        soak_errors=section.number("soak_errors", 0, 1, SOAK_ERRORS),
        soak_latency=section.number("soak_latency", 1, 1000, SOAK_LATENCY),
        allow_gap=section.take("allow_gap", bool, False),
        retry=section.take("retry", bool, False),
    )


def verify(section: Section) -> tuple[Mapping[str, Any], ...]:
    """The calls that every new instance must answer rightly before it gets callers: uri, argv, answer."""
    checks = []
    for index, item in enumerate(section.take("verify", list, [])):
        one = Section(item, f"{section.at('verify')}[{index}]")
        uri = one.text("uri", re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+"))
        one.has("argv")
        if not one.has("answer"):
            raise InputError(f"{one.at('answer')}: is missing", remedy="say what the instance must answer")
        one.done()
        checks.append({"uri": uri, "argv": item.get("argv", {}), "answer": item["answer"]})
    return tuple(checks)
