"""Ends instances, and removes what is left of them."""

import shutil
from collections.abc import Collection

from ionman.hosts import record, supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.tidy import LOG, RECORD

MARGIN = 5.0  # s beyond a service's own drain_timeout before it is killed


def drain(layout: Layout, say: Say, names: Collection[str]) -> None:
    """Let these finish what they are at, and remove them."""
    if not names:
        return
    say(f"draining {', '.join(names)}")
    limits = {name: _drain_timeout(layout, name) + MARGIN for name in names}
    for name in supervisor.drain(layout, limits):
        say(f"{name} did not end within {limits[name]:g} s and was killed")
    supervisor.remove(layout, names)
    for name in names:
        forget(layout, name)


def _drain_timeout(layout: Layout, name: str) -> float:
    return float(supervisor.about(layout, name).get("drain_timeout", 30))


def forget(layout: Layout, target: str) -> None:
    """Remove a configuration (``service/generation``), a run folder (``program``), a log or a record."""
    if target.startswith(RECORD):
        record.forget(layout, *target.removeprefix(RECORD).split("/"))
        return
    if target.startswith(LOG):
        path = layout.logs / target.removeprefix(LOG)
    elif "/" in target:
        path = layout.configuration / target
    else:
        path = layout.runs / target
    if path.exists():
        shutil.rmtree(path)
    if path.parent.parent == layout.configuration and path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def sweep(layout: Layout) -> None:
    """Remove files and folders that a run which was killed has left half made; there may be secrets in them."""
    for place in (layout.configuration, layout.records):
        for path in place.rglob(".*.new"):
            path.unlink()
    for path in layout.configuration.glob("*/*"):
        if not any(path.iterdir()):
            path.rmdir()
