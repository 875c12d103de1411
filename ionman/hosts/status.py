"""What runs on this host, told by the supervisors and the instances themselves."""

from typing import Any

from ionman import table as columns
from ionman.host import parts
from ionman.hosts import apply_metrics, apply_users, facts, supervisor
from ionman.hosts.layout import METRICS, ROUTER, Layout
from ionman.status import age

Row = dict[str, Any]


def rows(layout: Layout) -> list[Row]:
    """One row for each program: program, service, generation, version, pid, seconds, ready, note, failures."""
    names = supervisor.installed(layout)
    states = supervisor.status(layout, names)
    return [_row(layout, name, states[name]) for name in names]


def _row(layout: Layout, name: str, state: supervisor.Status) -> Row:
    about = supervisor.about(layout, name)
    note = _note(layout, name, state)
    return {
        "program": name,
        "service": about.get("service", name),
        "generation": about.get("generation", ""),
        "app": about.get("app", ""),
        "version": about.get("version", ""),
        "pid": state.pid,
        "seconds": state.seconds,
        "ready": not note,
        "note": note,
        "failures": supervisor.failures(layout, name),
    }


def _note(layout: Layout, name: str, state: supervisor.Status) -> str:
    """Why a program is not ready; empty when it is."""
    if name == ROUTER:
        return facts.router_note(state, supervisor.about(layout, name))
    if parts(name):
        return facts.unready(layout, name, state)
    if not state.up:
        return "down" if state.supervised else "not supervised"
    if name == METRICS:
        return apply_metrics.problem(supervisor.about(layout, name))
    return apply_users.note(layout) if name == apply_users.PROGRAM else ""


def table(found: list[Row]) -> list[str]:
    """The rows for a reader."""
    if not found:
        return ["nothing runs here"]
    head = ("PROGRAM", "VERSION", "PID", "FOR", "READY")
    cells = [
        (row["program"], row["version"], str(row["pid"] or "-"), age(row["seconds"]), _ready(row)) for row in found
    ]
    return columns.lines(head, cells)


def _ready(row: Row) -> str:
    return "yes" if row["ready"] else f"no: {row['note']}"
