"""What a host remembers: of each generation whether it was good, and of each deploy who did what. Pure.

`ionman.hosts.record` keeps it. A generation is *good* once a roll to it was finished, *failed* when a roll to it
failed or it was rolled back by hand; until then it is neither.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ionman import table as columns

GOOD, FAILED = "good", "failed"
KEPT = 3  # good generations, the running one among them, whose records are kept: as many as packages are
KEPT_FAILED = 20
DONE, UNCHANGED, PLANNED, INTERRUPTED = "done", "unchanged", "planned", "interrupted"

# Keys of a service that say how it is replaced, not what runs: another value of these alone is no change.
HOW = frozenset({"surge", "soak", "canary", "soak_errors", "soak_latency", "retry", "allow_gap", "ready_timeout"})

Row = dict[str, Any]


@dataclass(frozen=True)
class Ran:
    """A generation and how many of its instances run, or ran."""

    generation: str
    version: str
    instances: int

    def document(self) -> Row:
        """As JSON shows it."""
        return {"generation": self.generation, "version": self.version, "instances": self.instances}


@dataclass(frozen=True)
class Record:
    """One generation: `mark` is good, failed or empty; `when` (ISO, UTC) and `why` it was marked.

    `entry` is its part of the desired state as it was applied, with its secrets; a failed one is kept without.
    """

    mark: str = ""
    when: str = ""
    why: str = ""
    entry: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Pending:
    """A roll that was begun and has not ended: to which generation, and what ran before it.

    `tried`: its first instances have held. `back`: it is a rollback by hand.
    """

    to: str
    ran: Ran | None = None
    tried: bool = False
    back: bool = False


@dataclass(frozen=True)
class Memory:
    """All that is remembered of one service."""

    records: Mapping[str, Record] = field(default_factory=dict)
    pending: Pending | None = None

    def mark(self, generation: str) -> str:
        """good, failed or empty."""
        return self.records.get(generation, Record()).mark

    def tried(self, generation: str) -> bool:
        """Whether a roll to `generation` is under way and its first instances have held."""
        return self.pending is not None and self.pending.to == generation and self.pending.tried

    def good(self) -> list[str]:
        """The good generations, the newest first."""
        found = [name for name, record in self.records.items() if record.mark == GOOD]
        return sorted(found, key=lambda name: self.records[name].when, reverse=True)

    def previous(self, generation: str) -> str:
        """The newest good generation other than `generation`; empty for none."""
        return next((name for name in self.good() if name != generation), "")

    def back(self, running: Collection[str], to: str = "") -> tuple[str, str]:
        """Which generation a rollback leaves and to which it goes (`to`, when it is said), where these run; empty for
        none.

        One that was interrupted goes on. Else what is left is one half rolled, which never was good, before the newest
        good one; and the newest other good one is the goal.
        """
        if self.pending and self.pending.back and self.pending.ran and to in ("", self.pending.to):
            return self.pending.ran.generation, self.pending.to
        others = [name for name in running if name != to]
        unproven = sorted(name for name in others if self.mark(name) != GOOD)
        leaves = unproven[0] if unproven else next((name for name in self.good() if name in others), "")
        return leaves, to or self.previous(leaves)

    def without(self, generation: str) -> "Memory":
        """As it is when `generation` has failed."""
        return replace(self, records={**self.records, generation: Record(FAILED, "9")})  # later than any other

    def stale(self, generation: str) -> list[str]:
        """The records that are not kept beside `generation`, which is good now."""
        good = [name for name in self.good() if name != generation]
        failed = [name for name, record in self.records.items() if record.mark == FAILED and name != generation]
        failed.sort(key=lambda name: self.records[name].when, reverse=True)
        unmarked = [name for name, record in self.records.items() if not record.mark and name != generation]
        return sorted({*good[KEPT - 1 :], *failed[KEPT_FAILED:], *unmarked})


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two entries of the desired state run the same, however they would be rolled."""
    if one is None or other is None:
        return one is other
    return all(one.get(key) == other.get(key) for key in {*one, *other} - HOW)


def began(number: str, when: str, row: Row) -> str:
    """The line of the history that says what begins; `row` has deploy, who, what, service, from, to."""
    return json.dumps({"id": number, "at": "start", "when": when, **row}, sort_keys=True) + "\n"


def ended(number: str, took: float, result: str, why: str) -> str:
    """The line that says how it ended, after `took` seconds."""
    line = {"id": number, "at": "end", "took": round(took, 1), "result": result, "why": why}
    return json.dumps(line, sort_keys=True) + "\n"


def rows(lines: Iterable[str], service: str = "") -> list[Row]:
    """The history, the oldest first: when, took, deploy, who, what, service, from, to, result, why.

    A line that was torn by a crash is passed over; what began and never ended was interrupted.
    """
    found: dict[str, Row] = {}
    for text in lines:
        line = _line(text)
        number = line.pop("id", None)
        at = line.pop("at", None)
        if at == "start":
            found[number] = {"took": None, "result": INTERRUPTED, "why": "", **line}
        elif at == "end" and number in found:
            found[number].update(line)
    return [row for row in found.values() if not service or row.get("service") == service]


def _line(text: str) -> Row:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


def table(found: list[Row]) -> list[str]:
    """The history for a reader."""
    if not found:
        return ["nothing was deployed here"]
    head = ("WHEN", "WHO", "WHAT", "SERVICE", "FROM", "TO", "TOOK", "RESULT")
    lines = columns.lines(head, [_cells(row) for row in found])
    return [lines[0], *(line + _why(row) for line, row in zip(lines[1:], found, strict=True))]


def _cells(row: Row) -> tuple[str, ...]:
    when = str(row["when"])[:19].replace("T", " ")
    took = "-" if row["took"] is None else f"{row['took']:g} s"
    return (when, row["who"], row["what"], row["service"], _ran(row["from"]), _ran(row["to"]), took, row["result"])


def _ran(ran: Row | None) -> str:
    return f"{ran['version']} {ran['generation']} x{ran['instances']}" if ran else "-"


def _why(row: Row) -> str:
    return f"  {row['why'].splitlines()[0]}" if row["why"] else ""
