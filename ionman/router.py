"""The router: Crossbar's configuration as a pure function of the realms in the inventory.

The description is the router's section of a host's desired state, with these keys (docs/router.md shows one)::

    address, port, certificate, key, chain      where it listens, and the TLS files (paths on the router's host)
    names, origins                              how browsers reach the page; further pages that may connect
    max_connections, max_message_size, page     limits, and the directory of the page at `/`
    realms   [{name, roles: [{name, permissions: [{uri, match, allow}]}], users: [{name, password | key, role}]}]
    services [{name, realm, user, password | key, procedures, topics, calls}]
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ionman.errors import ConfigurationError
from ionman.routers.check import Problem, check
from ionman.routers.credential import salt_for, scram
from ionman.routers.permission import Permission, exact, prefix, render, settle
from ionman.routers.shape import OPS, rendered, service_role, slug

__all__ = ["CONTRACT", "PAGE", "Problem", "check", "node"]

CONTRACT = "ionman.service."  # prefix of what every service answers beside its own procedures: ping, info, stats
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


def node(router: Mapping[str, Any], salt: bytes) -> Json:
    """Crossbar's configuration for `router`, the same for the same input.

    `salt` is a secret of 16 bytes or more that the router's host keeps; the users' own salts are made from it.
    Raises `ConfigurationError` with everything that `check` finds.
    """
    problems = check(router)
    if problems:
        raise ConfigurationError("the router's description cannot be used:\n" + "\n".join(f"  {p}" for p in problems))
    if len(salt) < 16:
        raise ConfigurationError("the salt secret of the router is shorter than 16 bytes", remedy="let it be made anew")
    worker = {
        "type": "router",
        "id": "router",
        "realms": [_realm(router, realm) for realm in router["realms"]],
        "transports": [_transport(router, salt)],
    }
    return {"version": 2, "controller": {"id": "ionman"}, "workers": [worker]}


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


def _realm(router: Mapping[str, Any], realm: Mapping[str, Any]) -> Json:
    roles, names = _roles(router, realm), rendered(router, realm)
    known = [
        uri
        for service in _services(router, realm)
        for uri in (*_list(service, "procedures"), *_list(service, "topics"))
    ]
    known += [entry.uri for entries in roles.values() for entry in entries if not entry.prefix]
    return {
        "name": realm["name"],
        "roles": [
            {"name": names[role], "permissions": [render(entry) for entry in settle(entries, known)]}
            for role, entries in sorted(roles.items())
        ],
    }


def _roles(router: Mapping[str, Any], realm: Mapping[str, Any]) -> dict[str, list[Permission]]:
    roles = {
        role["name"]: [_permission(entry) for entry in role.get("permissions", ())] for role in _list(realm, "roles")
    }
    for service in _services(router, realm):
        roles[service_role(service["name"])] = [
            *exact(_list(service, "procedures"), "register"),
            *exact(_list(service, "topics"), "publish", "subscribe"),
            *(prefix(uri, "call") for uri in _list(service, "calls")),
            prefix(f"{CONTRACT}{slug(service['name'])}.", "register", "call"),
        ]
    roles[OPS] = [prefix("wamp.", "call", "subscribe"), prefix("ionman.", "call", "subscribe")]
    return roles


def _permission(entry: Mapping[str, Any]) -> Permission:
    return Permission(entry["uri"], entry.get("match", "exact") == "prefix", frozenset(entry["allow"]))


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
        for user in _list(realm, "users"):
            yield realm, user
        for service in _services(router, realm):
            yield realm, {**service, "name": service["user"], "role": service_role(service["name"])}


def _services(router: Mapping[str, Any], realm: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [service for service in _list(router, "services") if service["realm"] == realm["name"]]


def _list(mapping: Mapping[str, Any], key: str) -> Sequence[Any]:
    return mapping.get(key) or ()
