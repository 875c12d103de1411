"""What the components of Crossbar are told that keep its peers from disturbing each other. Pure."""

from collections.abc import Mapping
from typing import Any

from ionman.routers.listener import MAX_CONNECTIONS
from ionman.routers.shape import AUTHORIZER

LOGIN_TIMEOUT = 10  # s from the connection to the session; five round trips, and a password's computation
VISIT = 60  # s for a connection that only asks for pages
MAX_CONNECTIONS_PER_ADDRESS = 2000  # a host with all its services, or an office behind one address
BEFORE = 1 << 17  # octets that may come before the login: TLS and one is about 6 KiB, a page asked for 1 KiB
HELLO = 1 << 15  # octets of one message before the login
UNSENT = 1 << 24  # octets that may wait for a peer: the greatest message of the greatest limit

Json = dict[str, Any]


def components(router: Mapping[str, Any], guard: str, log: str) -> list[Json]:
    """The components of the modules `guard` and `log` (ionman.routers.guard and .peerlog), in their order."""
    most = router.get("max_connections", MAX_CONNECTIONS)
    extra = {
        "login": router.get("login_timeout", LOGIN_TIMEOUT),
        "visit": VISIT,
        "address": router.get("max_connections_per_address", MAX_CONNECTIONS_PER_ADDRESS),
        "strangers": max(1, most // 2),
        "before": BEFORE,
        "hello": HELLO,
        "unsent": max(UNSENT, 2 * router.get("max_message_size", 0)),
    }
    return [_component(router, f"{log}.PeerLog", {}), _component(router, f"{guard}.Guard", extra)]


def _component(router: Mapping[str, Any], classname: str, extra: Json) -> Json:
    realm = router["realms"][0]["name"]  # Crossbar wants one for each component; these do nothing in it
    return {"type": "class", "classname": classname, "realm": realm, "role": AUTHORIZER, "extra": extra}
