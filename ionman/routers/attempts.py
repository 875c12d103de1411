"""How many logins may fail: counted by who tried from where, and how long the next one has to wait. Pure.

This file runs inside Crossbar's worker too, in an environment without ionman: `apply` writes it beside Crossbar's
configuration as it stands, so it uses Python's library only.

Every failure fills three buckets that leak: one of the user at that address, one of the address, one of the user. A
full one lets nobody try, not even with the right password. Who has logged in from an address before is measured there
by the first one alone: neither a stranger's guesses nor a neighbour's broken configuration shut out those who belong.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple


class Bucket(NamedTuple):
    """How many failures at once, and how many seconds until one of them is forgotten."""

    holds: int
    leak: float


HERE = Bucket(10, 6.0)  # of one user from one address
ADDRESS = Bucket(50, 1.0)  # of all users from one address: a whole office, or all services of a host
USER = Bucket(100, 6.0)  # of one user from everywhere
MOST = 20_000  # buckets and known places that are remembered


class Attempts:
    """What has failed of late. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, address: str, user: str) -> float:
        """How many seconds `user` has to wait at `address` until the next attempt; 0 for none."""
        known = (address, user) in self._known
        buckets = [*self._buckets(address, user)][: 1 if known else None]
        return max(self._over(key, bucket) for key, bucket in buckets)

    def failed(self, address: str, user: str) -> None:
        """An attempt has failed."""
        for key, bucket in self._buckets(address, user):
            self._levels[key] = (self._level(key, bucket) + 1, self._clock())
            self._levels.move_to_end(key)
        while len(self._levels) > MOST:
            self._levels.popitem(last=False)

    def succeeded(self, address: str, user: str) -> None:
        """`user` has logged in from `address`: what failed before was a slip."""
        here = (address, user)
        self._levels.pop(here, None)
        self._known[here] = None
        self._known.move_to_end(here)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def forget(self, user: str) -> None:
        """`user` is another one now, or none: no place is known for it."""
        for here in [one for one in self._known if one[1] == user]:
            del self._known[here]

    def _buckets(self, address: str, user: str) -> Iterator[tuple[Hashable, Bucket]]:
        yield (address, user), HERE
        yield ("address", address, ""), ADDRESS
        yield ("user", "", user), USER

    def _level(self, key: Hashable, bucket: Bucket) -> float:
        level, since = self._levels.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock() - since) / bucket.leak)

    def _over(self, key: Hashable, bucket: Bucket) -> float:
        return max(0.0, (self._level(key, bucket) - (bucket.holds - 1)) * bucket.leak)


def place(peer: str) -> str:
    """Where `peer` (Autobahn's word for it, as in ``tcp4:192.0.2.7:50000``) is, as it is counted.

    Of IPv6 the network, as one host has 2**64 addresses in it (RFC 6177); what is no address stands for itself.
    """
    kind, _, rest = peer.partition(":")
    if not kind.startswith("tcp"):
        return kind or "unknown"
    try:
        address = ipaddress.ip_address(rest.rpartition(":")[0].strip("[]"))
    except ValueError:
        return rest
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
