"""How long calls took in each part of a history, and how the parts compare. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ionman.probes.history import Mark, Reply

BEFORE, ROLLING, AFTER = "before", "rolling", "after"
FEWEST = 100  # calls on either side: with fewer, the slowest of a hundred is not known


@dataclass(frozen=True)
class Latency:
    """Answered calls of one loop in one part; times in milliseconds, None where no call was answered."""

    calls: int
    p50: float | None
    p99: float | None
    worst: float | None
    late: float | None  # p99 of what the prober itself was behind


def part(marks: Sequence[Mark], at: float) -> str:
    """Which part of the history `at` belongs to: before the first mark, after a mark `after`, or rolling."""
    place = bisect_right([mark.at for mark in marks], at)
    if place == 0:
        return BEFORE
    return AFTER if marks[place - 1].name == AFTER else ROLLING


def by_part(marks: Sequence[Mark], replies: Iterable[Reply]) -> dict[str, list[Reply]]:
    """The replies of each part, in the order of the parts; parts with no replies are left out."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    found: dict[str, list[Reply]] = {BEFORE: [], ROLLING: [], AFTER: []}
    for reply in replies:
        found[part(ordered, reply.sent)].append(reply)
    return {name: inside for name, inside in found.items() if inside}


def latency(replies: Iterable[Reply]) -> Latency:
    """The numbers of the replies that have an answer."""
    answered = [reply for reply in replies if reply.took is not None]
    took = sorted(reply.took for reply in answered if reply.took is not None)
    late = sorted(reply.late for reply in answered)
    worst = took[-1] if took else None
    return Latency(len(took), percentile(took, 50), percentile(took, 99), worst, percentile(late, 99))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank: the smallest value that at least `share` percent of the values do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share / 100 * len(ordered)) - 1)]


def ratio(before: Latency | None, rolling: Latency | None) -> float | None:
    """How many times longer the slowest of a hundred calls took while rolling; None when there are too few to say."""
    if before is None or rolling is None or min(before.calls, rolling.calls) < FEWEST:
        return None
    if not before.p99 or rolling.p99 is None:
        return None
    return rolling.p99 / before.p99
