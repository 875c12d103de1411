"""Which generation answered when, and whether one that was replaced came back. Pure.

Generations are compared host by host: a configuration of its own gives a host a generation of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ionman.probes.history import Mark, Reply
from ionman.probes.latency import AFTER, part

GONE_SECONDS = 2.0  # a generation is gone after this time without an answer ...
GONE_ANSWERS = 50  # ... in which others of its host answered this often: in turn they would have met it


@dataclass
class Reign:
    """A generation on one host: its first and last answer (s, when the call was sent) and how many there were."""

    host: str
    generation: str
    version: str
    first: float
    last: float
    answers: int = 0


@dataclass(frozen=True)
class Succession:
    """Every generation in the order of its first answer; `back` are sentences: how the order was not kept."""

    reigns: Sequence[Reign]
    back: Sequence[str]


def succession(replies: Iterable[Reply], marks: Sequence[Mark]) -> Succession:
    """Read the generations from answers that name `host`, `generation` and `version`; others are left out."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    hosts: dict[str, _Host] = {}
    for reply in sorted((reply for reply in replies if _names(reply.answer)), key=lambda one: one.sent):
        name = str(reply.answer["host"])
        hosts.setdefault(name, _Host(name)).take(reply, settled=part(ordered, reply.sent) == AFTER)
    reigns = sorted((reign for host in hosts.values() for reign in host.reigns.values()), key=lambda one: one.first)
    return Succession(reigns, [line for host in hosts.values() for line in host.back.values()])


def _names(answer: Any) -> bool:
    return isinstance(answer, dict) and {"host", "generation", "version"} <= answer.keys()


class _Host:
    """One host: takes its answers in the order in which they were asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reigns: dict[str, Reign] = {}  # in the order of the first answer
        self.back: dict[str, str] = {}  # generation -> what it did, once
        self._answers = 0  # of the whole host
        self._seen: dict[str, int] = {}  # generation -> the host's count at its last answer

    def take(self, reply: Reply, *, settled: bool) -> None:
        """Count one answer; `settled` when every roll is said to be over."""
        generation, sent = str(reply.answer["generation"]), reply.sent
        self._answers += 1
        reign = self.reigns.get(generation)
        if reign is None:
            reign = Reign(self.name, generation, str(reply.answer["version"]), sent, sent)
            self.reigns[generation] = reign
        elif why := self._why_not(reign, sent, settled):
            self.back.setdefault(
                generation, f"{self.name} answered with generation {generation} at {sent:.1f} s, {why}"
            )
        reign.last, reign.answers = sent, reign.answers + 1
        self._seen[generation] = self._answers

    def _why_not(self, reign: Reign, sent: float, settled: bool) -> str:
        """Why this generation should not have answered any more; empty when it may."""
        newest = list(self.reigns.values())[-1]
        if newest is reign:
            return ""
        if settled:
            return f"after the roll to {newest.generation} was over"
        if self._gone(reign, sent):
            return f"{sent - reign.last:.1f} s after {newest.generation} had replaced it"
        if self._gone(newest, sent):
            return f"when {newest.generation} was gone, which had come to replace it"
        return ""

    def _gone(self, reign: Reign, now: float) -> bool:
        others = self._answers - self._seen[reign.generation] - 1
        return now - reign.last > GONE_SECONDS and others >= GONE_ANSWERS
