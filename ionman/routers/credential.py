"""What the router keeps of a user's password: enough to check it, not enough to log in with.

WAMP-SCRAM with argon2id (draft of the WAMP specification, section 13.4.5; RFC 5802 for the keys).
"""

import base64
import hashlib
import hmac
from typing import Any

from argon2.low_level import Type, hash_secret_raw

# OWASP's password storage cheat sheet, argon2id: 19 MiB, two passes, one lane. Autobahn's own default (4096 passes over
# 512 KiB) guards less, since the memory is small, and costs each service a second of processor time at every login.
MEMORY_KIB = 19456
PASSES = 2


def salt_for(secret: bytes, realm: str, user: str) -> bytes:
    """16 bytes for one user of one realm: the same each time, so that a node is, and unknown without `secret`."""
    return hmac.new(secret, f"{realm}\0{user}".encode(), hashlib.sha256).digest()[:16]


def scram(password: str, salt: bytes, *, passes: int = PASSES, memory: int = MEMORY_KIB) -> dict[str, Any]:
    """The scram credential of `password`, as Crossbar's `principals` have it (bytes in hex); `memory` is in KiB."""
    raw = hash_secret_raw(
        password.encode(), salt, time_cost=passes, memory_cost=memory, parallelism=1, hash_len=32, type=Type.ID
    )
    # Autobahn's client keeps the text form of the hash, base64 without padding, as the salted password.
    salted = base64.b64encode(raw).rstrip(b"=")
    client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    return {
        "kdf": "argon2id-13",
        "iterations": passes,
        "memory": memory,
        "salt": salt.hex(),
        "stored-key": hashlib.sha256(client_key).hexdigest(),
        "server-key": hmac.new(salted, b"Server Key", hashlib.sha256).hexdigest(),
    }
