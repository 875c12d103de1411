"""A router's configuration with proxy workers in front of its router worker; only for measuring (decision 0021)."""

import copy
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def proxied(node: Json, proxies: int, folder: Path) -> Json:
    """`node` (ionman.router.node) with its network listener moved into `proxies` workers, which share the port."""
    if not proxies:
        return node
    made = copy.deepcopy(node)
    (router,) = made["workers"]
    network, *others = router["transports"]
    network["endpoint"]["shared"] = True
    backend = {"type": "rawsocket", "id": "backend", "serializers": ["cbor"], "auth": {"anonymous-proxy": _static()}}
    path = str(folder / "backend.sock")
    router["transports"] = [{**backend, "endpoint": {"type": "unix", "path": path}}, *others]
    connection = {
        "transport": {
            "type": "rawsocket",
            "endpoint": {"type": "unix", "path": path},
            "url": "rs://localhost",
            "serializer": "cbor",
        },
        "auth": {"anonymous-proxy": _static()},
    }
    routes = {realm["name"]: {role["name"]: "router" for role in realm["roles"]} for realm in router["realms"]}
    made["workers"] += [
        {
            "type": "proxy",
            "id": f"proxy{number}",
            "options": dict(router["options"]),
            "connections": {"router": connection},
            "routes": routes,
            "transports": [network],
        }
        for number in range(1, proxies + 1)
    ]
    return made


def _static() -> Json:
    return {"type": "static"}
