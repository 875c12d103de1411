"""The router: Crossbar's configuration, and the rights of services, as pure functions of the realms in the inventory.

The description is the router's section of a host's desired state, with these keys (docs/router.md shows one)::

    address, port, certificate, key, chain      where it listens, and the TLS files (paths on the router's host)
    names, origins                              how browsers reach the page; further pages that may connect
    max_connections, max_connections_per_address, max_message_size, login_timeout
                                                limits: numbers, octets and seconds; docs/limits.md
    page                                        the directory of the page at `/`
    realms   [{name, roles: [{name, permissions: [{uri, match, allow}]}], users: [{name, SECRET, role}]}]
                                                SECRET: one of password, key, certificate (a name in it)
    machines {port, ca}                         the listener for users with a certificate; none without it
    users    {database}                         people who are not in the inventory: docs/users.md
    services [{name, realm, user, password | key, procedures, topics, calls, kept}]
                                                `kept`: procedures of its other releases that are still installed
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ionman.errors import ConfigurationError
from ionman.routers import limits, links, listener, people
from ionman.routers.check import Problem, check
from ionman.routers.rights import CONTRACT, component, realm_roles, rights

__all__ = [
    "CODE",
    "CONFIGURATION",
    "CONTRACT",
    "NAMES",
    "RIGHTS",
    "Place",
    "Problem",
    "check",
    "files",
    "node",
    "rights",
    "sound",
]

# The files of a router, in one folder: what Crossbar reads at its start, what it reads while it runs, and code of ours
# that runs in its worker, by the file here that it is made from.
CONFIGURATION, RIGHTS, LINKS = "config.json", "rights.json", "links.json"
AUTHORIZER, GATE, ATTEMPTS = "ionman_authorizer.py", "ionman_gate.py", "ionman_attempts.py"
RENEWING, MACHINES = "ionman_certificates.py", "ionman_machines.py"
LINKING, LINK, TRUSTED = "ionman_links.py", "ionman_link.py", "ionman_trusted.py"
GUARD, TURNS, PEERLOG = "ionman_guard.py", "ionman_turns.py", "ionman_peerlog.py"
CODE = {
    AUTHORIZER: "routers/authorizer.py",
    GATE: "routers/gate.py",
    ATTEMPTS: "routers/attempts.py",
    GUARD: "routers/guard.py",
    TURNS: "routers/turns.py",
    PEERLOG: "routers/peerlog.py",
    MACHINES: "routers/machine.py",
    RENEWING: "routers/renewing.py",
    LINKING: "routers/linking.py",
    LINK: "routers/link.py",
    TRUSTED: "routers/trusted.py",
}
NAMES = (*CODE, RIGHTS, LINKS, CONFIGURATION)  # in the order in which they are written

Json = dict[str, Any]


class Place(NamedTuple):
    """Where on its host a router has its files, and the socket `door`, by which that host itself comes in."""

    folder: Path = Path("/etc/ionman/router")
    door: Path = Path("/run/ionman/router/door.sock")


USUAL = Place()


def files(router: Mapping[str, Any], salt: bytes, place: Place = USUAL) -> dict[str, str]:
    """The files of `router` that belong into the folder of `place`: name -> text. See `node`."""
    return {
        **{name: (Path(__file__).parent / source).read_text() for name, source in CODE.items()},
        RIGHTS: _text(rights(router)),
        LINKS: _text(links.document(router)),
        CONFIGURATION: _text(node(router, salt, place)),
    }


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def node(router: Mapping[str, Any], salt: bytes, place: Place = USUAL) -> Json:
    """Crossbar's configuration for `router`, the same for the same input.

    It stays the same when only what services register, publish or call has changed: that is in `rights`.
    `salt` is a secret of 16 bytes or more that the router's host keeps; the users' own salts
    are made from it.
    Raises `ConfigurationError` with everything that `check` finds.
    """
    sound(router)
    if len(salt) < 16:
        raise ConfigurationError("the salt secret of the router is shorter than 16 bytes", remedy="let it be made anew")
    worker = {
        "type": "router",
        "id": "router",
        "options": {"pythonpath": [str(place.folder)]},
        "realms": [{"name": realm["name"], "roles": _roles(router, realm)} for realm in router["realms"]],
        # Crossbar starts these before it listens, each when the one before is ready: nobody comes too early.
        "components": [
            *limits.components(router, _module(GUARD), _module(PEERLOG)),
            *(component(realm, f"{_module(RENEWING)}.Certificates", "") for realm in router["realms"][:1]),
        ]
        + [
            one
            for realm in router["realms"]
            for one in (
                component(realm, f"{_module(AUTHORIZER)}.Authorizer", str(place.folder / RIGHTS)),
                links.component(realm, f"{_module(LINKING)}.Links", str(place.folder / LINKS)),
                people.component(router, realm, f"{_module(GATE)}.Gate", salt),
            )
        ],
        "transports": [*listener.machines(router), listener.network(router, salt), listener.door(str(place.door))],
    }
    return {"version": 2, "controller": {"id": "ionman"}, "workers": [worker]}


def _roles(router: Mapping[str, Any], realm: Mapping[str, Any]) -> list[Json]:
    return [*realm_roles(router, realm), people.role(), links.role(realm)]


def _module(file: str) -> str:
    return file.removesuffix(".py")


def sound(router: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` with everything that `check` finds."""
    problems = check(router)
    if problems:
        raise ConfigurationError("the router's description cannot be used:\n" + "\n".join(f"  {p}" for p in problems))
