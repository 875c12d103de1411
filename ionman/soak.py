"""Whether new instances do as well as the old ones, by their own numbers over the same time. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEW = 20  # calls below which two sides are not compared
NOISE_MS = 5.0  # a mean that is longer by less than this says nothing on a busy machine


@dataclass(frozen=True)
class Numbers:
    """Calls, errors and the time that they took together (ms)."""

    calls: int = 0
    errors: int = 0
    total_ms: float = 0.0

    def __add__(self, other: "Numbers") -> "Numbers":
        return Numbers(self.calls + other.calls, self.errors + other.errors, self.total_ms + other.total_ms)

    @property
    def error_share(self) -> float:
        """Errors of all calls."""
        return self.errors / self.calls if self.calls else 0.0

    @property
    def mean_ms(self) -> float:
        """Milliseconds of a call."""
        return self.total_ms / self.calls if self.calls else 0.0


@dataclass(frozen=True)
class Verdict:
    """`problem`: why the new is not good enough, empty when it is; `note`: what was compared."""

    problem: str
    note: str


def numbers(document: Mapping[str, Any]) -> Numbers:
    """The sum over all procedures of what an instance says of itself (`ionman.control`)."""
    total = Numbers()
    for tally in document.get("stats", {}).values():
        calls = int(tally.get("calls", 0))
        mean = tally.get("latency_ms", {}).get("mean", 0.0)
        total += Numbers(calls, int(tally.get("errors", 0)), float(tally.get("total_ms", calls * mean)))
    return total


def between(before: Mapping[str, Numbers], after: Mapping[str, Numbers]) -> Numbers:
    """What was added meanwhile, over all instances; one that began anew meanwhile is left out."""
    total = Numbers()
    for name, then in before.items():
        now = after.get(name, Numbers())
        if now.calls >= then.calls and now.errors >= then.errors:
            total += Numbers(now.calls - then.calls, now.errors - then.errors, now.total_ms - then.total_ms)
    return total


def judge(new: Numbers, old: Numbers, errors: float, latency: float) -> Verdict:
    """Compare: the new error share may exceed the old by `errors`, its mean latency may be `latency` times the old."""
    if min(new.calls, old.calls) < FEW:
        return Verdict("", f"too few calls to compare: {new.calls} new, {old.calls} old")
    shares = f"{new.error_share:.1%} errors, old {old.error_share:.1%}"
    means = f"{new.mean_ms:.1f} ms a call, old {old.mean_ms:.1f} ms"
    if new.error_share > old.error_share + errors:
        return Verdict(f"more calls fail than before: {shares}", shares)
    if new.mean_ms > max(old.mean_ms * latency, old.mean_ms + NOISE_MS):
        return Verdict(f"calls take longer than before: {means}", means)
    return Verdict("", f"{shares}; {means}; {new.calls} and {old.calls} calls")
