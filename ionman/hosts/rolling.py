"""The key `rolling` of a router's section: how it may be restarted, and what is watched of it. Pure."""

from dataclasses import dataclass
from typing import Any

from ionman.calls.reach import parse
from ionman.errors import ConfigurationError, InputError
from ionman.hosts.section import Section

DRAIN_TIMEOUT = 30.0  # s


@dataclass(frozen=True)
class Rolling:
    """How a router is restarted.

    `others`: the fleet's other routers, `host:port`; `allow_outage`: it may go away although nobody takes over;
    `drain_timeout`: s that its callers and services get to leave it; `watch`: it is probed from outside, and restarted
    when it is frozen; `memory_limit`: MB above which it is restarted when another router is well, 0 for no limit.
    """

    others: tuple[str, ...] = ()
    allow_outage: bool = False
    drain_timeout: float = DRAIN_TIMEOUT
    watch: bool = False
    memory_limit: int = 0


def read(section: Section) -> Rolling:
    """The keys of `rolling`."""
    made = Rolling(
        others=tuple(_address(section, index, item) for index, item in enumerate(section.take("others", list, []))),
        allow_outage=section.take("allow_outage", bool, False),
        drain_timeout=section.number("drain_timeout", 0, 3600, DRAIN_TIMEOUT),
        watch=section.take("watch", bool, False),
        memory_limit=section.whole("memory_limit", 0, 1048576, 0),
    )
    section.done()
    return made


def _address(section: Section, index: int, item: Any) -> str:
    place = f"{section.at('others')}[{index}]"
    if not isinstance(item, str):
        raise InputError(f"{place}: must be a string, as in host2:8443")
    try:
        return str(parse(item))
    except ConfigurationError as error:
        raise InputError(f"{place}: {error.message}", remedy=error.remedy) from error
