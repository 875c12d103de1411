"""What is asked of a host, and what was done, or would be."""

from dataclasses import dataclass, field
from typing import Any

from ionman.host import KEEP, Step, Work
from ionman.hosts.difference import Difference
from ionman.hosts.lock import Say
from ionman.hosts.state import Deploy
from ionman.record import DONE, PLANNED, UNCHANGED

NOBODY = Deploy()


@dataclass(frozen=True)
class Asked:
    """How something is to be done: said to whom, only as a check, after at most `wait` s for another apply.

    `deploy` is for the record; with `allow_gap` nobody may be left who answers.
    """

    say: Say
    check: bool = False
    wait: float = 600.0
    deploy: Deploy = NOBODY
    allow_gap: bool = False


@dataclass(frozen=True)
class Outcome:
    """The steps, the files' differences (masked), and for each service from what to what."""

    steps: tuple[Step, ...] = ()
    differences: list[Difference] = field(default_factory=list)
    works: tuple[Work, ...] = ()
    planned: bool = False  # only a check
    gaps: frozenset[str] = frozenset()  # the services that may lose their last callee

    @property
    def changed(self) -> bool:
        """Whether anything was done, or would be."""
        return any(step.verb != KEEP for step in self.steps)

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {
            "changed": self.changed,
            "plan": [str(step) for step in self.steps],
            "diff": self.differences,
            "services": [self._service(work) for work in self.works],
        }

    def _service(self, work: Work) -> dict[str, Any]:
        """From what to what (generation, version, instances, or null), and with which result."""
        gap = {"allow_gap": True} if work.service in self.gaps else {}
        before, to = (one.document() if one else None for one in (work.before, work.to))
        result = UNCHANGED if not work.changed else PLANNED if self.planned else DONE
        return {"service": work.service, "from": before, "to": to, "result": result, "why": "", **gap}
