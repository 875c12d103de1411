"""What an instance remembers of its calls: for each procedure the number, errors, last error and latency."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

STEP = 1.05  # latencies are counted in steps of 5 %, so that any number of calls takes a few hundred numbers
LEAST_MS = 0.001
# Upper bounds in milliseconds of what Prometheus is told; its quantiles are as good as these are near to each other.
BOUNDS_MS = (1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000)


@dataclass
class Tally:
    """One procedure's numbers; times in milliseconds."""

    calls: int = 0
    errors: int = 0
    last_error: str = ""
    total_ms: float = 0.0
    max_ms: float = 0.0
    steps: Counter[int] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def add(self, seconds: float, error: str) -> None:
        """Count one call that took `seconds` and ended with `error` (an error's URI and message, or empty)."""
        milliseconds = seconds * 1000
        self.calls += 1
        self.total_ms += milliseconds
        self.max_ms = max(self.max_ms, milliseconds)
        self.steps[math.ceil(math.log(max(milliseconds, LEAST_MS), STEP))] += 1
        self.buckets[bisect_left(BOUNDS_MS, milliseconds)] += 1
        if error:
            self.errors += 1
            self.last_error = error

    def document(self) -> dict[str, Any]:
        """The numbers as they are shown."""
        mean = self.total_ms / self.calls if self.calls else 0.0
        shares = {"p50": self._share(0.5), "p99": self._share(0.99)}
        return {
            "calls": self.calls,
            "errors": self.errors,
            "last_error": self.last_error,
            "total_ms": round(self.total_ms, 3),
            "latency_ms": {"mean": round(mean, 3), "max": round(self.max_ms, 3)} | shares,
            "buckets_ms": [list(pair) for pair in zip(BOUNDS_MS, accumulate(self.buckets), strict=False)],
        }

    def _share(self, share: float) -> float:
        """Milliseconds within which that share of the calls ended; up to 5 % more than it was."""
        wanted, seen = share * self.calls, 0
        for step in sorted(self.steps):
            seen += self.steps[step]
            if seen >= wanted:
                return round(min(STEP**step, self.max_ms), 3)
        return 0.0


@dataclass
class Stats:
    """All procedures' numbers, and how many calls and events are being worked on."""

    procedures: dict[str, Tally] = field(default_factory=dict)
    in_flight: int = 0

    @classmethod
    def of(cls, uris: Iterable[str]) -> "Stats":
        """Numbers that start at zero for every one of `uris`."""
        return cls({uri: Tally() for uri in uris})

    def add(self, uri: str, seconds: float, error: str = "") -> None:
        """Count one call."""
        self.procedures.setdefault(uri, Tally()).add(seconds, error)

    def document(self) -> dict[str, Any]:
        """URI -> numbers."""
        return {uri: tally.document() for uri, tally in self.procedures.items()}
