"""The whole of `ionman host apply`: find out, compare, say, do."""

from dataclasses import dataclass
from typing import Any

from ionman import facts, host, supervisor
from ionman.apply import Doing
from ionman.host import Plan
from ionman.layout import Layout
from ionman.lock import Say, alone
from ionman.state import State

__all__ = ["Outcome", "Say", "converge"]


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be."""

    plan: Plan

    @property
    def changed(self) -> bool:
        """Whether anything was done, or would be."""
        return self.plan.changed

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {"changed": self.changed, "plan": [str(step) for step in self.plan.steps]}


def converge(state: State, layout: Layout, *, check: bool, wait: float, say: Say) -> Outcome:
    """Make the host what `state` says, or with `check` only say what that would do. `wait` s for another apply."""
    with alone(layout, say, wait):
        if not check:
            supervisor.sweep(layout)
        services = state.services or ()
        plan = host.plan(services, facts.gather(layout, services), str(layout.configuration))
        for step in plan.steps:
            say(str(step))
        if not check:
            Doing(layout, plan, say).all()
        return Outcome(plan)
