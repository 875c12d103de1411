"""The record of all hosts together: what was deployed when, by whom, from what to what, and how it ended. Pure.

A row is one service on one host (`ionman host history --json`)::

    {"when": ISO 8601 in UTC, "took": s | None, "deploy": id, "who", "what", "service",
     "from" and "to": {"generation", "version", "instances"} | None, "result": "done|failed|interrupted", "why"}

and has its "host" besides, once it is among others'.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ionman import table as columns

Row = dict[str, Any]
HEAD = ("WHEN", "WHO", "WHAT", "SERVICE", "FROM", "TO", "HOSTS", "TOOK", "RESULT")


def merge(hosts: Mapping[str, Iterable[Row]], last: int = 0) -> list[Row]:
    """The rows of all hosts by time, the oldest first, each with its `host`; of many only the `last` (0: all)."""
    found = [{**row, "host": host} for host, rows in hosts.items() for row in rows]
    found.sort(key=lambda row: (str(row.get("when")), row["host"]))
    return found[-last:] if last else found


def table(rows: Sequence[Row]) -> list[str]:
    """The rows for a reader: what one run did alike on several hosts is one line."""
    if not rows:
        return ["nothing was deployed"]
    groups = _alike(rows)
    lines = columns.lines(HEAD, [_cells(group) for group in groups])
    return [lines[0], *(line + _why(group) for line, group in zip(lines[1:], groups, strict=True))]


def _alike(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that differ in host, time and number only, together; in the order of the first of each."""
    first: dict[tuple[Any, ...], int] = {}
    for place, row in enumerate(rows):
        first.setdefault(_key(row, place), place)
    placed = sorted(((first[_key(row, place)], place) for place, row in enumerate(rows)), key=lambda pair: pair)
    return [[rows[place] for _, place in group] for _, group in groupby(placed, key=lambda pair: pair[0])]


def _key(row: Row, place: int) -> tuple[Any, ...]:
    """What is alike; a row without the id of a run stands alone."""
    run = row.get("deploy") or place
    why = row.get("why") or ""
    return (run, row.get("what"), row.get("service"), _name(row.get("from")), _name(row.get("to")), _result(row), why)


def _cells(group: Sequence[Row]) -> tuple[str, ...]:
    first = group[0]
    took = [row["took"] for row in group if row.get("took") is not None]
    hosts: list[str] = list(dict.fromkeys(row["host"] for row in group))
    return (
        str(first.get("when"))[:19].replace("T", " "),
        str(first.get("who") or "-"),
        str(first.get("what") or "-"),
        str(first.get("service") or "-"),
        _ran([row.get("from") for row in group]),
        _ran([row.get("to") for row in group]),
        " ".join(hosts),
        f"{max(took):.0f} s" if took else "-",
        _result(first),
    )


def _ran(one_each: Sequence[Mapping[str, Any] | None]) -> str:
    """Version, generation, and the instances of all hosts together."""
    there = [one for one in one_each if one]
    return f"{_name(there[0])} x{sum(int(one.get('instances') or 0) for one in there)}" if there else "-"


def _name(ran: Mapping[str, Any] | None) -> str:
    return f"{ran.get('version', '')} {ran.get('generation', '')}".strip() if ran else ""


def _result(row: Row) -> str:
    return str(row.get("result") or "-")


def _why(group: Sequence[Row]) -> str:
    why = str(group[0].get("why") or "").strip()
    return f": {why.splitlines()[0]}" if why else ""
