"""Keeps what a host remembers (`ionman.record`): root's alone to read, since entries hold secrets.

`<service>/<generation>.json` for each generation, `<service>/pending.json` while a roll is under way, and one
`history.jsonl` for all: a line when something begins and one when it ends.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman import record
from ionman.files import folder, write
from ionman.host import Work
from ionman.hosts.layout import Layout
from ionman.hosts.state import Deploy
from ionman.record import FAILED, GOOD, Memory, Pending, Ran, Record, Row

PENDING = "pending"
LONGEST = 4 << 20  # bytes of history; then the older half goes


def read(layout: Layout) -> dict[str, Memory]:
    """What is remembered of each service."""
    places = layout.records.iterdir() if layout.records.is_dir() else ()
    return {place.name: _memory(place) for place in places if place.is_dir()}


def memory_of(layout: Layout, service: str) -> Memory:
    """What is remembered of `service`."""
    place = layout.records / service
    return _memory(place) if place.is_dir() else Memory()


def _memory(place: Path) -> Memory:
    found = {path.stem: _json(path) for path in place.glob("[!.]*.json")}
    pending = found.pop(PENDING, None)
    records = {name: Record(**one) for name, one in found.items()}
    if pending is None:
        return Memory(records)
    pending["ran"] = Ran(**pending["ran"]) if pending["ran"] else None
    return Memory(records, Pending(**pending))


def _json(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer


def keep(layout: Layout, service: str, generation: str, one: Record) -> None:
    """Remember `one` of a generation."""
    _write(layout, service, generation, {**asdict(one), "entry": one.entry})


def _write(layout: Layout, service: str, name: str, document: Any) -> None:
    folder(layout.records, mode=0o700)
    folder(layout.records / service, mode=0o700)
    write(layout.records / service / f"{name}.json", json.dumps(document, sort_keys=True) + "\n", mode=0o600)


def begin(layout: Layout, work: Work, leaves: str = "") -> None:
    """Remember that a roll begins, and what runs before it; it is kept over an interruption.

    `leaves`: the generation that is rolled back by hand.
    """
    if work.goal is None:
        return
    memory, generation = memory_of(layout, work.service), work.goal.generation
    if memory.mark(generation) != GOOD:
        keep(layout, work.service, generation, Record(entry=work.goal.service.entry))
    elif work.ran is None and not leaves:
        return  # no roll, but more or fewer of what is good
    before = work.ran or (Ran(leaves, "", 0) if leaves else None)
    _pending(layout, work.service, Pending(generation, before, memory.tried(generation), bool(leaves)))


def tried(layout: Layout, service: str, generation: str) -> None:
    """Remember that the first new instances have held: an interrupted roll goes on without trying them again."""
    pending = memory_of(layout, service).pending
    if pending and pending.to == generation and not pending.tried:
        _pending(layout, service, replace(pending, tried=True))


def _pending(layout: Layout, service: str, one: Pending) -> None:
    _write(layout, service, PENDING, asdict(one))


def good(layout: Layout, work: Work) -> None:
    """Mark the goal as good, and the roll as ended."""
    assert work.goal is not None
    known = memory_of(layout, work.service).records.get(work.goal.generation, Record())
    unchanged = known.mark == GOOD and work.before is not None and not work.ran
    one = Record(GOOD, known.when if unchanged else now(), entry=work.goal.service.entry)
    keep(layout, work.service, work.goal.generation, one)
    over(layout, work.service)


def failed(layout: Layout, service: str, generation: str, why: str) -> None:
    """Mark a generation as failed; its secrets are not kept."""
    keep(layout, service, generation, Record(FAILED, now(), why))


def over(layout: Layout, service: str) -> None:
    """No roll of `service` is under way any more."""
    (layout.records / service / f"{PENDING}.json").unlink(missing_ok=True)


def forget(layout: Layout, service: str, generation: str) -> None:
    """Forget one generation, and the service with the last of them."""
    place = layout.records / service
    (place / f"{generation}.json").unlink(missing_ok=True)
    if place.is_dir() and not [path for path in place.glob("[!.]*.json") if path.stem != PENDING]:
        shutil.rmtree(place)


def now() -> str:
    """The time, as it is kept: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# --- the history --------------------------------------------------------------------------------------------------


@contextmanager
def told(layout: Layout, deploy: Deploy, what: str, work: Work) -> Iterator[None]:
    """A line of history before and after; an error is its result, a kill leaves it without one."""
    number = secrets.token_hex(8)
    start = time.monotonic()
    before, to = (one.document() if one else None for one in (work.before, work.to))
    who = {"deploy": deploy.id, "who": deploy.who, "what": deploy.what or what}
    _append(layout, record.began(number, now(), {**who, "service": work.service, "from": before, "to": to}))
    try:
        yield
    except Exception as error:
        _append(layout, record.ended(number, time.monotonic() - start, record.FAILED, why(error)))
        raise
    _append(layout, record.ended(number, time.monotonic() - start, record.DONE, ""))


def why(error: Exception) -> str:
    """An error in one line, without the words of a log, which may hold anything."""
    return str(getattr(error, "why", getattr(error, "message", error))).split("\n", 1)[0]


def _append(layout: Layout, line: str) -> None:
    """Add a line whole, after one that a crash has torn."""
    folder(layout.records, mode=0o700)
    path = layout.records / "history.jsonl"
    if path.exists() and path.stat().st_size > LONGEST:
        lines = path.read_text().splitlines(keepends=True)
        write(path, "".join(lines[len(lines) // 2 :]), mode=0o600)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def history(layout: Layout, service: str = "") -> list[Row]:
    """What was done on this host, the oldest first."""
    path = layout.records / "history.jsonl"
    return record.rows(path.read_text(errors="replace").splitlines(), service) if path.exists() else []
