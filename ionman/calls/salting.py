"""What a password and a router's salt make, computed once: it costs 20 ms and 19 MiB, on purpose.

All clients of a program that lose their router at once log in at the next one at once: RFC 5802, section 5.1 lets a
client keep the salted password, so that only the first of them computes.
"""

import threading
from concurrent.futures import Future

from argon2.low_level import Type, hash_secret_raw

KEPT = 64  # salted passwords: of users times routers

_known: dict[tuple[bytes, bytes, int, int], Future[bytes]] = {}
_alone = threading.Lock()


def salted(password: bytes, salt: bytes, passes: int, memory: int) -> bytes:
    """argon2id of `password`, 32 octets; `memory` in KiB. Raises argon2's `HashingError`, and keeps nothing then."""
    key = (password, salt, passes, memory)
    with _alone:
        first = key not in _known
        if first:
            while len(_known) >= KEPT:
                _known.pop(next(iter(_known)))
            _known[key] = Future()
        found = _known[key]
    if first:
        try:
            found.set_result(
                hash_secret_raw(
                    password, salt, time_cost=passes, memory_cost=memory, parallelism=1, hash_len=32, type=Type.ID
                )
            )
        except BaseException as error:
            with _alone:
                _known.pop(key, None)
            found.set_exception(error)
            raise
    return found.result()
