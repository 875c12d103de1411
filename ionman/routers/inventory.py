"""What is wrong with the routers of an inventory, by the names of its variables and before a host is asked. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ionman.routers.check import check
from ionman.routers.check_rights import doubtful
from ionman.routers.schema import Problem

Entry = Mapping[str, Any]
# Places of a description -> the variable of the inventory. What is not here has the prefix router_.
VARIABLES = (
    (re.compile(r"^services(\[\d+\])\.(realm|user)"), r"service_list\1.config.\2"),
    (re.compile(r"^services(\[\d+\])\.password"), r"service_list\1.secrets.password"),
    (re.compile(r"^services(\[\d+\])\.key"), r"service_list\1.public_key"),
    (re.compile(r"^services"), "service_list"),
    (re.compile(r"^links\.peers"), "router_peers"),
    (re.compile(r"^links\."), "router_link_"),
    (re.compile(r"^"), "router_"),
)
UNDECLARED = re.compile(r"services\[(\d+)\]\.procedures")


def faults(state: Entry) -> list[str]:
    """What would be refused of `state`, the variable router_state of the role router."""
    services = state.get("services") or []
    found = check(_described(state))
    return [_named(one) for one in found if not _by_the_package(one, services)]


def doubts(state: Entry) -> list[str]:
    """What works and is probably not meant, where there are no faults."""
    return [] if faults(state) else [_named(one) for one in doubtful(_described(state))]


def _described(state: Entry) -> Entry:
    services = state.get("services") or []
    return {**state, "services": [dict(_service(one)) if isinstance(one, Mapping) else one for one in services]}


def _service(service: Entry) -> Iterator[tuple[str, Any]]:
    """As `ionman.router.node` takes it, without what only the package on the host knows."""
    settings = {**(service.get("config") or {}), **(service.get("secrets") or {})}
    yield "name", service.get("name")
    for key in ("realm", "user"):
        yield key, settings.get(key)
    if service.get("public_key"):
        yield "key", service["public_key"]
    else:
        yield "password", settings.get("password")
    for key in ("procedures", "topics", "calls"):
        yield key, service.get(key, [])


def _by_the_package(problem: Problem, services: list[Entry]) -> bool:
    """Whether it is only that the inventory does not say what a service registers: its package does."""
    place = UNDECLARED.fullmatch(problem.path)
    return place is not None and "procedures" not in services[int(place[1])]


def _named(problem: Problem) -> str:
    for pattern, variable in VARIABLES:
        path, hits = pattern.subn(variable, problem.path, count=1)
        if hits:
            return str(replace(problem, path=path))
    raise AssertionError(problem)
