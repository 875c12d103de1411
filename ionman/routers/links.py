"""Links between routers, which carry events and nothing else: what Crossbar is told of them at its start, and the file
that ionman.routers.linking reads while it runs. Pure.

All links of a fleet log in with one key, which is derived from the fleet's secret: nothing has to be exchanged when a
router comes or goes, and the routers that are there need no restart for it.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ionman.certificates.refused import REASONS
from ionman.routers.permission import exact, render
from ionman.routers.shape import slug

TAKE = "ionman.router.link.take"
PURPOSE = b"ionman router links, 1"
ENVELOPE = 64 << 10  # octets that a link's message may be larger than a client's
PING_MS = 2000

Json = dict[str, Any]


def keys(secret: str) -> tuple[str, str]:
    """The links' Ed25519 key and its public part, in hex (RFC 5869, RFC 8032); `secret` has to be a strong one."""
    seed = HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(secret.encode())
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return seed.hex(), public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def user(realm: Mapping[str, Any]) -> str:
    """As whom, and in which role, links log in: one for each realm, as Crossbar gives a key one realm.

    Its dots keep it apart from every role of a description.
    """
    return f"ionman.link.{slug(realm['name'])}"


def role(realm: Mapping[str, Any]) -> Json:
    """What links may do: hand events over."""
    return {"name": user(realm), "permissions": [render(one) for one in exact([TAKE], "call")]}


def component(realm: Mapping[str, Any], classname: str, path: str) -> Json:
    """Crossbar's component that keeps the links of `realm`, as the file at `path` has them."""
    return {
        **{"type": "class", "classname": classname, "realm": realm["name"], "role": "trusted"},
        "extra": {"links": path},
    }


def paths(router: Mapping[str, Any], websocket: Mapping[str, Any]) -> Json:
    """The listener's path for links, none without them; `websocket` are the options of the one for clients."""
    if "links" not in router:
        return {}
    _, public = keys(router["links"]["secret"])
    principals = {
        user(realm): {"authorized_keys": [public], "realm": realm["name"], "role": user(realm)}
        for realm in router["realms"]
    }
    size = websocket["max_message_size"] + ENVELOPE
    pings = {"auto_ping_interval": PING_MS, "auto_ping_timeout": PING_MS}
    return {
        "link": {
            **{"type": "websocket", "serializers": ["cbor"]},
            "auth": {"cryptosign": {"type": "static", "principals": principals}},
            "options": {**websocket, **pings, "max_frame_size": size, "max_message_size": size, "allowed_origins": []},
        }
    }


def document(router: Mapping[str, Any]) -> Json:
    """The file that the component reads; it holds the links' key."""
    links = router.get("links")
    if not links:
        return {"name": "", "key": "", "ca": "", "users": {}, "peers": [], "reasons": {}}
    return {
        **{"name": links["name"], "key": keys(links["secret"])[0], "ca": links["ca"]},
        "users": {realm["name"]: user(realm) for realm in router["realms"]},
        "reasons": {str(code): f"{why.what}; {why.remedy}" for code, why in REASONS.items()},
        "peers": [dict(peer) for peer in links.get("peers") or ()],
    }
