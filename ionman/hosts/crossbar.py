"""Crossbar on a host: what it is made of, and what has to happen when that changes. Pure; `apply_router` does it.

A router cannot stand beside itself on one port: it is changed in place, and put back when the new one does not come up.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ionman import router as describe
from ionman.host import KEEP, Step
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.state import Router
from ionman.hosts.supervisor import Program, files

OPEN_FILES = 65536
MEMORY = 4096  # MB
SHOWN = 4  # URIs that a line of the plan names
TLS = "certificate or key"  # the part that Crossbar takes in while it runs: ionman.routers.renewing
STOP_TIMEOUT = 20  # s; Crossbar takes about 6 (facts: a restart of the router)


@dataclass(frozen=True)
class Node:
    """What the router should be: its files' texts by name, and what it is made of.

    `parts` names that, each with a digest, so that a change has a name: what it takes a restart for.
    """

    router: Router
    files: Mapping[str, str]
    program: Program
    parts: Mapping[str, str]


@dataclass(frozen=True)
class FoundNode:
    """What the router is: the parts it last came up with, the files that lie there, and how it is."""

    parts: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    linked: bool = False
    note: str = "not there"  # why it is not ready; empty when it is
    answers: bool = False  # somebody answers there, if not as it should be: it has callers
    pid: int = 0
    stopped: bool = False  # its supervisor is there and Crossbar is not, as after `svc -d`
    supervisor: str = ""  # what has it, the old one while it changes; empty when nothing has


def program(layout: Layout, router: Router) -> Program:
    """How Crossbar is run."""
    release = layout.release("crossbar", router.version)
    return Program(
        name=ROUTER,
        command=(
            *(f"{release}/venv/bin/crossbar", "start", "--cbdir", str(layout.crossbar_state(router.version))),
            *("--config", str(layout.router_configuration / describe.CONFIGURATION), "--loglevel", "info"),
            *("--logformat", "standard"),
        ),
        directory=layout.crossbar_state(router.version),
        user=layout.router_user,
        writable=(layout.router_state,),
        environment={
            "PATH": f"{release}/venv/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(layout.crossbar_state(router.version)),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        open_files=OPEN_FILES,
        memory=MEMORY,
        drain_timeout=STOP_TIMEOUT,
        supervisor=router.supervisor,
        about={
            "app": "crossbar",
            "version": router.version,
            "address": router.address,
            "port": router.port,
            "certificate": router.certificate,
        },
    )


def node(layout: Layout, router: Router, texts: Mapping[str, str], certificates: bytes) -> Node:
    """What the router should be: `texts` are its files (ionman.router.files), `certificates` its TLS files' bytes.

    The rights are no part: Crossbar reads them while it runs.
    """
    made = program(layout, router)
    run = json.dumps(files(layout, made), sort_keys=True)
    parts = {
        "version": router.version,
        "configuration": _digest(texts[describe.CONFIGURATION].encode()),
        "authorizer": _digest("\0".join(texts.get(name, "") for name in describe.CODE).encode()),
        TLS: _digest(certificates),
        "run script": _digest(run.encode()),
    }
    return Node(router, texts, made, parts)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def plan(wanted: Node, found: FoundNode) -> tuple[Step, ...]:
    """The steps that make the router what it should be."""
    return tuple(_plan(wanted, found))


def _plan(wanted: Node, found: FoundNode) -> Iterator[Step]:
    within = f"answers within {wanted.router.ready_timeout:g} s"
    changed = [name for name, digest in wanted.parts.items() if found.parts.get(name) != digest]
    for name in wanted.files:
        if found.files.get(name) != wanted.files[name]:
            yield Step("write", f"{ROUTER}/{name}", _difference(name, wanted, found))
    if not found.linked or found.stopped:
        why = "was stopped; " if found.linked else ""
        yield Step("start", ROUTER, f"{why}Crossbar {wanted.router.version} on {_listen(wanted)}")
        yield Step("await", ROUTER, within)
    elif set(changed) - {TLS}:
        if found.answers or not found.note:
            limit = wanted.router.rolling.drain_timeout
            yield Step("leave", ROUTER, f"callers and services are asked to go elsewhere, for {limit:g} s at most")
        yield Step("restart", ROUTER, _why(changed, wanted, found))
        yield Step("await", ROUTER, within)
    elif changed:
        yield Step("await", ROUTER, f"{within} with the new {TLS}; no restart")
    elif found.note:
        yield Step("await", ROUTER, f"{within}; now {found.note}")
    else:
        yield Step(KEEP, ROUTER, f"Crossbar {wanted.router.version} answers on {_listen(wanted)}; nothing to do")


def outage(wanted: Node, steps: Iterable[Step]) -> str:
    """Why doing `steps` would leave callers without a router; empty when another takes over, or it is allowed."""
    rolling = wanted.router.rolling
    verbs = {step.verb for step in steps}
    if "leave" not in verbs or rolling.others or rolling.allow_outage:
        return ""
    why = next(step.why for step in steps if step.verb == "restart")
    return f"the router has to be restarted ({why}), and there is no other one"


def _difference(name: str, wanted: Node, found: FoundNode) -> str:
    if name not in found.files:
        return "first on this host"
    if name != describe.RIGHTS:
        return "changed"
    return f"{registered(found.files[name], wanted.files[name])}; in force at once, without a restart"


def registered(before: str, after: str) -> str:
    """Which procedures a change of the rights lets register, and which not any more: two texts of the file."""
    old, new = _procedures(before), _procedures(after)
    signs = [*(f"+{uri}" for uri in sorted(new - old)), *(f"-{uri}" for uri in sorted(old - new))]
    more = [f"and {len(signs) - SHOWN} more"] if len(signs) > SHOWN else []
    return " ".join([*signs[:SHOWN], *more]) or "changed"


def _procedures(text: str) -> set[str]:
    realms = json.loads(text)["realms"].values()
    entries = (entry for roles in realms for role in roles.values() for entry in role)
    return {entry["uri"] for entry in entries if "register" in entry["allow"]}


def _listen(wanted: Node) -> str:
    return f"{wanted.router.address}:{wanted.router.port}"


def _why(changed: list[str], wanted: Node, found: FoundNode) -> str:
    if not found.parts:
        return "it was never seen to answer"
    if "version" in changed:
        return f"version {found.parts.get('version')} -> {wanted.parts['version']}"
    if found.supervisor not in ("", wanted.program.supervisor):
        return f"supervisor {found.supervisor} -> {wanted.program.supervisor}"
    return f"{', '.join(changed)} changed"
