"""How long to wait before the next attempt to reach a router."""

import random

FIRST, GROWTH, LONGEST = 0.2, 1.7, 5.0  # s, factor, s


def delay(failures: int, chance: float | None = None) -> float:
    """Return seconds to wait after so many failures in a row: growing to `LONGEST`, half of it by chance (0 to 1)."""
    full = min(LONGEST, FIRST * GROWTH ** min(failures, 50))
    return full / 2 + full / 2 * (random.random() if chance is None else chance)  # noqa: S311 - jitter, no secret
