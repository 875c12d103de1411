"""Where a router listens, and what a connection may cost it before and after somebody has logged in. Pure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ionman.routers import links
from ionman.routers.login import certificates, methods
from ionman.routers.shape import HOST

PAGE = Path(__file__).parents[1] / "web" / "static"
PORT = 8443
MACHINES_PORT = 8444
MAX_CONNECTIONS = 5000
MAX_MESSAGE_SIZE = 1 << 20  # octets; Crossbar's own is 16 MiB, for every unauthenticated peer
BACKLOG = 511
SERIALIZERS = ("cbor", "msgpack")  # and never JSON on an open listener, see ionman.routers.check

# Milliseconds. Crossbar's defaults (26.10.1) are no deadline and no ping: a half-sent request is held for ever.
OPEN_HANDSHAKE_MS = 5000
CLOSE_HANDSHAKE_MS = 2000
# A callee whose host is cut off gets no more calls after these two, and its callers are answered elsewhere.
PING_INTERVAL_MS = 2000
PING_TIMEOUT_MS = 3000
HTTP_TIMEOUT_S = 10

Json = dict[str, Any]


def network(router: Mapping[str, Any], salt: bytes) -> Json:
    """The listener for everybody: TLS, the page at `/`, WAMP at `/ws`."""
    return {
        "type": "web",
        "id": "web",
        "endpoint": _endpoint(router, router.get("port", PORT)),
        "max_connections": router.get("max_connections", MAX_CONNECTIONS),
        "options": {"client_timeout": HTTP_TIMEOUT_S, "display_tracebacks": False, "access_log": False},
        "paths": {
            "/": {
                "type": "static",
                "directory": str(router.get("page", PAGE)),
                "options": {"enable_directory_listing": False, "cache_timeout": 60},
            },
            **links.paths(router, _websocket(router)),
            "health": {"type": "json", "value": {"status": "up"}},
            "ws": {
                "type": "websocket",
                "serializers": list(router.get("serializers", SERIALIZERS)),
                "auth": methods(router, salt),
                "options": _websocket(router),
            },
        },
    }


def machines(router: Mapping[str, Any]) -> list[Json]:
    """The listener for machines, if there is to be one: TLS that demands a certificate, and WAMP, for no page at all.

    It comes before the one for everybody: a router that answers there has this one too.
    """
    found = router.get("machines")
    if not found:
        return []
    endpoint = _endpoint(router, found.get("port", MACHINES_PORT))
    endpoint["tls"]["ca_certificates"] = [found["ca"]]
    return [
        {
            "type": "websocket",
            "id": "machines",
            "endpoint": endpoint,
            "max_connections": router.get("max_connections", MAX_CONNECTIONS),
            "serializers": list(router.get("serializers", SERIALIZERS)),
            "auth": certificates(router),
            "options": _websocket(router) | {"allowed_origins": []},
        }
    ]


def _endpoint(router: Mapping[str, Any], port: int) -> Json:
    """`port` of the network, with TLS."""
    endpoint: Json = {
        "type": "tcp",
        "interface": router.get("address", "0.0.0.0"),  # noqa: S104 - a router is there to be reached; TLS and no anonymous
        "port": port,
        "backlog": BACKLOG,
        "tls": {"key": router["key"], "certificate": router["certificate"]},
    }
    if ":" in endpoint["interface"]:
        endpoint["version"] = 6
    if router.get("chain"):
        endpoint["tls"]["chain_certificates"] = list(router["chain"])
    return endpoint


def door(path: str) -> Json:
    """The listener for the router's own host, without a secret: who may open the socket is a matter of its folder."""
    return {
        "type": "websocket",
        "id": "door",
        "endpoint": {"type": "unix", "path": path},
        "serializers": ["cbor"],
        "auth": {"anonymous": {"type": "static", "role": HOST}},
        "options": {"require_websocket_subprotocol": True, "enable_webstatus": False, "tcp_nodelay": False},
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
