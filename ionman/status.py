"""How the hosts of a fleet are: what runs, whether it answers, what has to be looked at soon. Pure.

What a host says (`Said`) is what its own commands answer: `ionman host status --json`, `ionman host alarms --json` and
`ionman metrics health`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ionman import table as columns

Row = dict[str, Any]
HEAD = ("HOST", "PROGRAM", "VERSION", "FOR", "READY")


@dataclass(frozen=True)
class Said:
    """What one host answered; `missing` says why it did not."""

    programs: Sequence[Row] = ()
    alarms: Sequence[str] = ()
    checks: Sequence[Row] = ()
    missing: str = ""


@dataclass(frozen=True)
class Fleet:
    """All of it. `problems` are wrong now, `alarms` will be; both begin with their host."""

    programs: Sequence[Row] = field(default_factory=list)
    problems: Sequence[str] = field(default_factory=list)
    alarms: Sequence[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nobody has to look at anything."""
        return not (self.problems or self.alarms)


def fleet(hosts: Mapping[str, Said]) -> Fleet:
    """What all hosts said, in the order of `hosts`."""
    programs, problems, alarms = [], [], []
    for host, said in hosts.items():
        programs += [{**row, "host": host} for row in said.programs]
        problems += [f"{host}: {said.missing}"] if said.missing else []
        problems += [f"{host}: {row['program']}: {row['note']}" for row in said.programs if not row["ready"]]
        problems += [f"{host}: {one['what']} by {one['way']}: {one['why']}" for one in said.checks if not one["ok"]]
        alarms += [f"{host}: {line}" for line in said.alarms]
    return Fleet(programs, problems, alarms)


def lines(found: Fleet) -> list[str]:
    """For a reader: the table, what is wrong, what will be, and the sum of it."""
    cells = [
        (row["host"], row["program"], row["version"], age(row["seconds"]), "yes" if row["ready"] else "no")
        for row in found.programs
    ]
    hosts = len({row["host"] for row in found.programs})
    wrong = [*(f"PROBLEM: {line}" for line in found.problems), *(f"ALARM: {line}" for line in found.alarms)]
    sums = f"{len(found.problems)} problems, {len(found.alarms)} alarms" if wrong else "all well"
    return [*columns.lines(HEAD, cells), *wrong, f"{sums}: {len(cells)} programs on {hosts} hosts"]


def age(seconds: int) -> str:
    """For how long, in one unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
