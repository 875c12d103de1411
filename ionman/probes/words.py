"""A verdict in words, for a terminal. Pure."""

from collections.abc import Iterator, Mapping

from ionman.probe import LOOPS, Verdict
from ionman.probes.latency import Latency

BEHIND = 20.0  # ms: a controller that is so busy is part of the latency


def report(verdict: Verdict) -> str:
    """The whole verdict, its faults last."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    again = f" ({verdict.again:,} took more than one try)" if verdict.again else ""
    counts = f"{verdict.lost:,} lost, {verdict.doubled:,} doubled, {verdict.wrong:,} wrong"
    yield f"probe of {verdict.uri}"
    yield f"  calls     {verdict.sent:,} sent, {verdict.answered:,} answered: {counts}{again}"
    for loop, parts in verdict.latency.items():
        yield f"  latency   {LOOPS[loop]}: {_latency(parts)}{_times(verdict.ratios.get(loop))}"
    if verdict.callees:
        fewest, most = verdict.callees
        yield (
            f"  callees   {fewest}"
            if fewest == most
            else f"  callees   never fewer than {fewest}, never more than {most}"
        )
    for reign in verdict.generations:
        when = f"{reign.first:.1f} to {reign.last:.1f} s, {reign.answers:,} answers"
        yield f"  answered  {reign.version} ({reign.generation}) on {reign.host}: {when}"
    for part, shares in verdict.shares.items():
        if shares:
            yield f"  shares    {part}: {_shares(shares)}"
    for note in verdict.notes:
        yield f"  note      {note}"
    for fault in verdict.faults:
        yield f"  FAULT     {fault}"
    yield "  verdict   clean" if verdict.clean else f"  verdict   NOT CLEAN: {len(verdict.faults)} faults"


def _latency(parts: Mapping[str, Latency]) -> str:
    return "; ".join(f"{part} {_numbers(one)}" for part, one in parts.items())


def _numbers(one: Latency) -> str:
    behind = f" (the prober itself behind by {_ms(one.late)})" if one.late and one.late > BEHIND else ""
    return f"p50 {_ms(one.p50)}, p99 {_ms(one.p99)}, worst {_ms(one.worst)}{behind}"


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} ms"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"; p99 while rolling is {ratio:.1f} times that before"


def _shares(shares: Mapping[str, int]) -> str:
    whole = sum(shares.values())
    return ", ".join(f"{name} {100 * count / whole:.1f} %" for name, count in shares.items())
