"""What a router says before it goes away. Pure; the same for clients, services and the router's own host.

Its host publishes `LEAVING` with `{"seconds": n}` in every realm: keep away for that long. It is said again and again
until the router goes, so that whoever comes meanwhile is told too. Who hears it joins another router, if there is one,
asks there from now on, and leaves when all is answered here.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

LEAVING = "ionman.router.leaving"
LONGEST = 300.0  # s that anybody may be told to keep away
SPREAD = 0.25  # of the time: so that not all come back at once


def seconds(args: Sequence[Any]) -> float:
    """How long to keep away, by an event's arguments: a little more, each time another; 0 if it is not understood."""
    said = args[0].get("seconds") if args and isinstance(args[0], Mapping) else None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= LONGEST:
        return 0.0
    return said * (1 + random.uniform(0, SPREAD))  # noqa: S311 - not a secret
