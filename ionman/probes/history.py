"""The history of a probe: JSON lines that a prober writes while it calls, and a checker reads afterwards.

::

    {"probe": 1, "uri": "ionman.service.demo.probe", "rate": 200, "callers": 20, "began": "2026-11-23T21:00:00Z",
     "answer": {"status": "OK", "n": "{n}"}}
    {"mark": "rolling", "at": 5.0}
    {"callees": 4, "at": 6.31}
    {"n": 17, "sent": 0.08, "took": 2.1, "answers": 1, "tries": 1, "answer": {...}, "error": "", "late": 0.1,
     "caller": 0}
    {"mark": "after", "at": 21.7, "status": 0}
    {"ended": 26.8, "sent": 5360, "strays": 0}

`at`, `sent` and `ended` are seconds since `began`; `sent` of a call is the moment it was due, and `took` (ms, null
without an answer) counts from there. `late` (ms) is the prober's own share of that. `caller` is 0 for the open loop and
1, 2, ... for the callers in a closed loop. `answers` is how often the call was answered, `strays` how many answers came
to calls that had been answered already, `callees` how many instances are registered from then on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ionman.errors import InputError

VERSION = 1
NUMBER = "{n}"  # stands for the call's number, in the parameter and in the answer that is expected


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one call."""

    n: int
    sent: float
    took: float | None = None
    answers: int = 0
    tries: int = 1
    answer: Any = None
    error: str = ""
    late: float = 0.0
    caller: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """From `at` on another part of the history: `rolling`, `rollback`, `after`; `status` is that of the command."""

    name: str
    at: float
    status: int = 0


@dataclass(frozen=True)
class Header:
    """What was called, how, and what it should answer (`NUMBER` stands for the call's number)."""

    uri: str
    rate: float
    callers: int = 0
    began: str = ""
    answer: Any = field(default_factory=lambda: {"status": "OK", "n": NUMBER})


@dataclass(frozen=True)
class History:
    """A whole history; `sent` is None when the prober did not come to its end."""

    header: Header
    marks: Sequence[Mark]
    replies: Sequence[Reply]
    callees: Sequence[tuple[float, int]] = ()
    ended: float | None = None
    sent: int | None = None
    strays: int = 0


def lines(history: History) -> Iterator[str]:
    """The history as it lies in a file, without newlines."""
    yield head(history.header)
    yield from (mark_line(mark) for mark in history.marks)
    yield from (callees_line(at, count) for at, count in history.callees)
    yield from (reply_line(reply) for reply in history.replies)
    if history.ended is not None and history.sent is not None:
        yield end_line(history.ended, history.sent, history.strays)


def head(header: Header) -> str:
    """The first line."""
    return json.dumps({"probe": VERSION} | asdict(header))


def mark_line(mark: Mark) -> str:
    """A line between two parts."""
    return json.dumps({"mark": mark.name, "at": round(mark.at, 4), "status": mark.status})


def callees_line(at: float, count: int) -> str:
    """A line for another number of callees."""
    return json.dumps({"callees": count, "at": round(at, 4)})


def end_line(at: float, sent: int, strays: int) -> str:
    """The last line."""
    return json.dumps({"ended": round(at, 4), "sent": sent, "strays": strays})


def reply_line(reply: Reply) -> str:
    """The line of one call; an answer that JSON cannot hold is kept as its repr."""
    document = {name: getattr(reply, name) for name in Reply.__slots__}
    return json.dumps(document, default=repr)


def read(text: Iterable[str]) -> History:
    """The history in the lines of `text`; raises `InputError` naming the line that cannot be read.

    A last line that was cut off in the middle (a killed prober) is left out.
    """
    reader = _Reader()
    cut = ""
    for number, line in enumerate(text, 1):
        if cut:
            raise InputError(cut, remedy="a history is what `ionman probe --history FILE` wrote")
        try:
            reader.take(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            cut = f"line {number} of the history cannot be read: {error}"
    if reader.header is None:
        raise InputError(
            cut or "the history has no first line", remedy="a history is what `ionman probe --history FILE` wrote"
        )
    return History(
        reader.header, reader.marks, reader.replies, reader.callees, reader.ended, reader.sent, reader.strays
    )


class _Reader:
    """Takes one document after the other; what is in none of the known shapes raises ValueError."""

    def __init__(self) -> None:
        self.header: Header | None = None
        self.marks: list[Mark] = []
        self.replies: list[Reply] = []
        self.callees: list[tuple[float, int]] = []
        self.ended: float | None = None
        self.sent: int | None = None
        self.strays = 0

    def take(self, document: Mapping[str, Any]) -> None:
        if not isinstance(document, Mapping):
            raise TypeError("not an object")
        if self.header is None:
            self.header = _header(document)
        elif "n" in document:
            self.replies.append(Reply(**document))
        elif "mark" in document:
            self.marks.append(Mark(str(document["mark"]), float(document["at"]), int(document.get("status", 0))))
        elif "callees" in document:
            self.callees.append((float(document["at"]), int(document["callees"])))
        elif "ended" in document:
            self.ended, self.sent = float(document["ended"]), int(document["sent"])
            self.strays = int(document.get("strays", 0))
        else:
            raise ValueError(f"unknown keys {', '.join(sorted(document))}")


def _header(document: Mapping[str, Any]) -> Header:
    if document.get("probe") != VERSION:
        raise ValueError("not the first line of a history")
    return Header(**{name: value for name, value in document.items() if name != "probe"})
