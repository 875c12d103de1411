"""The router: Crossbar's configuration, and the rights of services, as pure functions of the realms in the inventory.

The description is the router's section of a host's desired state, with these keys (docs/router.md shows one)::

    address, port, certificate, key, chain      where it listens, and the TLS files (paths on the router's host)
    names, origins                              how browsers reach the page; further pages that may connect
    max_connections, max_message_size, page     limits, and the directory of the page at `/`
    realms   [{name, roles: [{name, permissions: [{uri, match, allow}]}], users: [{name, password | key, role}]}]
    services [{name, realm, user, password | key, procedures, topics, calls, kept}]
                                                `kept`: procedures of its other releases that are still installed
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ionman.errors import ConfigurationError
from ionman.routers.check import Problem, check
from ionman.routers.credential import salt_for, scram
from ionman.routers.rights import CONTRACT, component, realm_roles, rights, services
from ionman.routers.shape import rendered, service_role

__all__ = [
    "AUTHORIZER",
    "CONFIGURATION",
    "CONTRACT",
    "PAGE",
    "RIGHTS",
    "Problem",
    "check",
    "files",
    "node",
    "rights",
    "sound",
]

# The files of a router, in one folder; Crossbar reads the second while it runs.
CONFIGURATION, RIGHTS, AUTHORIZER = "config.json", "rights.json", "ionman_authorizer.py"
PLACE = Path("/etc/ionman/router")
PAGE = Path(__file__).parent / "web" / "static"

PORT = 8443
MAX_CONNECTIONS = 5000
MAX_MESSAGE_SIZE = 1 << 20  # octets; Crossbar's own is 16 MiB, for every unauthenticated peer
BACKLOG = 511

# Milliseconds. Crossbar's defaults (26.10.1) are no deadline and no ping: a half-sent request is held for ever.
OPEN_HANDSHAKE_MS = 5000
CLOSE_HANDSHAKE_MS = 2000
PING_INTERVAL_MS = 10000
PING_TIMEOUT_MS = 5000
HTTP_TIMEOUT_S = 10

Json = dict[str, Any]


def files(router: Mapping[str, Any], salt: bytes, place: Path = PLACE) -> dict[str, str]:
    """The files of `router` that belong into the folder `place`: name -> text. See `node`."""
    return {
        AUTHORIZER: (Path(__file__).parent / "routers/authorizer.py").read_text(),
        RIGHTS: _text(rights(router)),
        CONFIGURATION: _text(node(router, salt, place)),
    }


def _text(document: Json) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def node(router: Mapping[str, Any], salt: bytes, place: Path = PLACE) -> Json:
    """Crossbar's configuration for `router`, the same for the same input.

    It stays the same when only what services register, publish or call has changed: that is in `rights`. `place` is the
    folder of all three files. `salt` is a secret of 16 bytes or more that the router's host keeps; the users' own salts
    are made from it.
    Raises `ConfigurationError` with everything that `check` finds.
    """
    sound(router)
    if len(salt) < 16:
        raise ConfigurationError("the salt secret of the router is shorter than 16 bytes", remedy="let it be made anew")
    worker = {
        "type": "router",
        "id": "router",
        "options": {"pythonpath": [str(place)]},
        "realms": [{"name": realm["name"], "roles": realm_roles(router, realm)} for realm in router["realms"]],
        # Crossbar starts these before it listens, each when the one before is ready: nobody comes too early.
        "components": [
            component(realm, f"{AUTHORIZER.removesuffix('.py')}.Authorizer", str(place / RIGHTS))
            for realm in router["realms"]
        ],
        "transports": [_transport(router, salt)],
    }
    return {"version": 2, "controller": {"id": "ionman"}, "workers": [worker]}


def sound(router: Mapping[str, Any]) -> None:
    """Raise `ConfigurationError` with everything that `check` finds."""
    problems = check(router)
    if problems:
        raise ConfigurationError("the router's description cannot be used:\n" + "\n".join(f"  {p}" for p in problems))


def _transport(router: Mapping[str, Any], salt: bytes) -> Json:
    endpoint: Json = {
        "type": "tcp",
        "interface": router.get("address", "0.0.0.0"),  # noqa: S104 - a router is there to be reached; TLS and no anonymous
        "port": router.get("port", PORT),
        "backlog": BACKLOG,
        "tls": {"key": router["key"], "certificate": router["certificate"]},
    }
    if ":" in endpoint["interface"]:
        endpoint["version"] = 6
    if router.get("chain"):
        endpoint["tls"]["chain_certificates"] = list(router["chain"])
    return {
        "type": "web",
        "id": "web",
        "endpoint": endpoint,
        "max_connections": router.get("max_connections", MAX_CONNECTIONS),
        "options": {"client_timeout": HTTP_TIMEOUT_S, "display_tracebacks": False, "access_log": False},
        "paths": {
            "/": {
                "type": "static",
                "directory": str(router.get("page", PAGE)),
                "options": {"enable_directory_listing": False, "cache_timeout": 60},
            },
            "health": {"type": "json", "value": {"status": "up"}},
            "ws": {
                "type": "websocket",
                "serializers": ["cbor", "msgpack"],
                "auth": _auth(router, salt),
                "options": _websocket(router),
            },
        },
    }


def _websocket(router: Mapping[str, Any]) -> Json:
    size = router.get("max_message_size", MAX_MESSAGE_SIZE)
    return {
        "allowed_origins": _origins(router),
        "allow_null_origin": False,
        "open_handshake_timeout": OPEN_HANDSHAKE_MS,
        "close_handshake_timeout": CLOSE_HANDSHAKE_MS,
        "auto_ping_interval": PING_INTERVAL_MS,
        "auto_ping_timeout": PING_TIMEOUT_MS,
        "auto_ping_size": 12,
        "max_frame_size": size,
        "max_message_size": size,
        "fail_by_drop": True,
        "tcp_nodelay": True,
        "enable_webstatus": False,
        "require_websocket_subprotocol": True,
        "show_server_version": False,
    }


def _origins(router: Mapping[str, Any]) -> list[str]:
    names = [*router.get("names", ()), "localhost", "127.0.0.1"]
    if router.get("address", "0.0.0.0") not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        names.append(router["address"])
    return sorted({f"https://{name}:{router.get('port', PORT)}" for name in names} | set(router.get("origins", ())))


def _auth(router: Mapping[str, Any], salt: bytes) -> Json:
    auth: Json = {}
    for realm, user in _users(router):
        role = rendered(router, realm)[user["role"]]
        if "key" in user:
            keys = {"authorized_keys": [user["key"]], "realm": realm["name"], "role": role}
            auth.setdefault("cryptosign", {"type": "static", "principals": {}})["principals"][user["name"]] = keys
        else:
            credential = scram(user["password"], salt_for(salt, realm["name"], user["name"])) | {"role": role}
            auth.setdefault("scram", {"type": "static", "principals": {}})["principals"][user["name"]] = credential
    return auth


def _users(router: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Every user with its realm, in order: those of the realm, then the services'."""
    for realm in router["realms"]:
        for user in realm.get("users") or ():
            yield realm, user
        for service in services(router, realm):
            yield realm, {**service, "name": service["user"], "role": service_role(service["name"])}
