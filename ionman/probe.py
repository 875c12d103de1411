"""The probe's checker: reads a history (ionman.probes.history) and says what is wrong with it. Pure.

A history is clean when every call that was sent was answered, once, with the right answer for its number, the slowest
of a hundred took no longer than `Limits.ratio` times what it took before, no generation that was replaced came back
(outside a rollback), and there were never fewer callees than asked for.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ionman.probes.history import NUMBER, History, Reply, read
from ionman.probes.latency import BEFORE, ROLLING, Latency, by_part, latency, ratio
from ionman.probes.succession import Reign, succession

__all__ = ["Limits", "Verdict", "check", "expected", "judge", "matches"]

LOOPS = {"open": "open loop", "closed": "closed loop"}
BACK = ("rollback", "put back")  # marks after which an older generation may come back


@dataclass(frozen=True)
class Limits:
    """What is still no fault: `ratio` of the p99 while rolling to that before (0: any), fewest `callees` (0: any)."""

    ratio: float = 3.0
    callees: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a history shows. `faults` and `notes` are sentences; without faults it is clean."""

    uri: str
    sent: int
    answered: int
    lost: int
    doubled: int
    wrong: int
    again: int  # calls that took more than one try
    errors: Mapping[str, int]  # of lost calls
    latency: Mapping[str, Mapping[str, Latency]]  # loop -> part -> numbers
    ratios: Mapping[str, float | None]  # loop -> p99 while rolling / p99 before
    callees: tuple[int, int] | None  # fewest and most
    generations: Sequence[Reign]
    shares: Mapping[str, Mapping[str, int]]  # part -> instance -> answers
    faults: Sequence[str]
    notes: Sequence[str]

    @property
    def clean(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def document(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self) | {"clean": self.clean}


def check(text: Iterable[str], limits: Limits | None = None) -> Verdict:
    """The verdict on the history in the lines `text`; raises `InputError` for what is no history."""
    return judge(read(text), limits)


def judge(history: History, limits: Limits | None = None) -> Verdict:
    """The verdict on `history`."""
    limits = limits or Limits()
    replies = history.replies
    lost = [reply for reply in replies if not reply.answers]
    wrong = [reply for reply in replies if reply.answers and not right(history.header.answer, reply)]
    twice = doubled(replies)
    missing = unrecorded(history)
    parts = by_part(history.marks, replies)
    loops = {
        name: {part: latency(_loop(name, inside)) for part, inside in parts.items() if _loop(name, inside)}
        for name in LOOPS
    }
    loops = {name: numbers for name, numbers in loops.items() if numbers}
    ratios = {name: ratio(numbers.get(BEFORE), numbers.get(ROLLING)) for name, numbers in loops.items()}
    order = succession(replies, history.marks)
    counts = [count for _, count in history.callees]
    excused = _may_go_back(history)
    faults = [
        *_of_calls(history, lost, wrong, twice, missing),
        *_of_latency(ratios, loops, limits),
        *([] if excused else order.back),
        *_of_callees(counts, limits),
    ]
    return Verdict(
        history.header.uri,
        sent=len(replies) + len(missing),
        answered=len(replies) - len(lost),
        lost=len(lost) + len(missing),
        doubled=len(twice) + history.strays,
        wrong=len(wrong),
        again=sum(reply.tries > 1 for reply in replies),
        errors=Counter(_kind(reply) for reply in lost),
        latency=loops,
        ratios=ratios,
        callees=(min(counts), max(counts)) if counts else None,
        generations=order.reigns,
        shares={part: _shares(inside) for part, inside in parts.items()},
        faults=faults,
        notes=order.back if excused else [],
    )


def expected(template: Any, n: int) -> Any:
    """`template` with the number `n` in every place where `NUMBER` stands."""
    if template == NUMBER:
        return n
    if isinstance(template, Mapping):
        return {key: expected(value, n) for key, value in template.items()}
    if isinstance(template, list):
        return [expected(value, n) for value in template]
    return template


def matches(wanted: Any, answer: Any) -> bool:
    """Whether `answer` has every key of `wanted` with an equal value, recursively; other things must be equal."""
    if isinstance(wanted, Mapping):
        return isinstance(answer, Mapping) and all(
            key in answer and matches(value, answer[key]) for key, value in wanted.items()
        )
    return bool(wanted == answer) and isinstance(wanted, bool) == isinstance(answer, bool)


def right(template: Any, reply: Reply) -> bool:
    """Whether the answer is the right one for its number."""
    return matches(expected(template, reply.n), reply.answer)


def doubled(replies: Iterable[Reply]) -> list[int]:
    """The numbers that were answered more than once."""
    answers: Counter[int] = Counter()
    for reply in replies:
        answers[reply.n] += reply.answers
    return sorted(n for n, count in answers.items() if count > 1)


def unrecorded(history: History) -> list[int]:
    """The numbers of calls that were sent, as the last line says, and of which the history has no line."""
    there = {reply.n for reply in history.replies}
    return [n for n in range(1, (history.sent or 0) + 1) if n not in there]


def _of_calls(
    history: History, lost: Sequence[Reply], wrong: Sequence[Reply], twice: Sequence[int], missing: Sequence[int]
) -> list[str]:
    faults = []
    if not history.replies:
        faults.append("no call was made")
    if lost:
        why = ", ".join(f"{count} {kind}" for kind, count in Counter(_kind(reply) for reply in lost).most_common(5))
        faults.append(f"{len(lost)} lost: {why}; the first is number {lost[0].n}, sent at {lost[0].sent:.2f} s")
    if missing:
        faults.append(f"{len(missing)} lost: sent, and not in the history; the first is number {missing[0]}")
    if twice:
        faults.append(f"{len(twice)} doubled: answered more than once; the first is number {twice[0]}")
    if history.strays:
        faults.append(f"{history.strays} doubled: answers came to calls that had been answered already")
    if wrong:
        first = wrong[0]
        faults.append(f"{len(wrong)} wrong: the first is number {first.n}, answered {first.answer!r}")
    if history.sent is None:
        faults.append("the history has no end: the prober was ended before it could say how many calls it had sent")
    return faults


def _of_latency(
    ratios: Mapping[str, float | None], loops: Mapping[str, Mapping[str, Latency]], limits: Limits
) -> list[str]:
    return [
        f"slow: in the {LOOPS[name]} the p99 while rolling is {found:.1f} times that before"
        f" ({loops[name][BEFORE].p99:.1f} ms, then {loops[name][ROLLING].p99:.1f} ms), and {limits.ratio:g} are allowed"
        for name, found in ratios.items()
        if found is not None and limits.ratio and found > limits.ratio
    ]


def _of_callees(counts: Sequence[int], limits: Limits) -> list[str]:
    if not limits.callees:
        return []
    if not counts:
        return ["the number of callees is not known: the caller's role may not ask for it"]
    if min(counts) < limits.callees:
        return [f"only {min(counts)} callees at one time, and {limits.callees} were asked for"]
    return []


def _may_go_back(history: History) -> bool:
    """Whether a rollback was announced, or the command failed, so that it puts back what it had changed."""
    return any(mark.name in BACK or mark.status for mark in history.marks)


def _loop(name: str, replies: Iterable[Reply]) -> list[Reply]:
    return [reply for reply in replies if bool(reply.caller) == (name == "closed")]


def _kind(reply: Reply) -> str:
    return reply.error.partition(": ")[0].partition("\n")[0] or "without an answer"


def _shares(replies: Iterable[Reply]) -> dict[str, int]:
    found = Counter(
        f"{reply.answer['instance']} on {reply.answer.get('host', '?')}"
        for reply in replies
        if isinstance(reply.answer, dict) and "instance" in reply.answer
    )
    return dict(sorted(found.items()))
