"""Never drains the last callee of a procedure, unless it is told to."""

from collections.abc import Collection, Iterator, Sequence

from ionman import control
from ionman.errors import IonmanError, Unavailable
from ionman.host import Plan, Work
from ionman.hosts import facts, supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say


class LastCallee(IonmanError):  # noqa: N818 - it says what it is
    """Nobody else would answer."""

    status = 65


def foresee(layout: Layout, say: Say, plan: Plan, gaps: Collection[str]) -> None:
    """Refuse a plan, before anything is changed, that drains the only one here when nobody else answers elsewhere."""
    for work in plan.works:
        drained = [step.target for step in work.steps if step.verb == "drain"]
        if work.service not in gaps and not (work.goal and work.goal.programs):
            serving = _serving(layout, drained)
            if len(serving) == 1:
                check(layout, say, serving[0])


def guarded(layout: Layout, say: Say, work: Work, names: Sequence[str]) -> Iterator[list[str]]:
    """The groups in which `names` may be drained, one after the other: before the last one that serves it is asked
    whether anybody else does; raises `LastCallee` when not.
    """
    if work.goal is not None and work.goal.programs:
        yield list(names)  # others of this service are ready here
        return
    last = _serving(layout, names)[-1:]
    if first := [name for name in names if name not in last]:
        yield first
    for name in last:
        check(layout, say, name)
        yield last


def _serving(layout: Layout, names: Sequence[str]) -> list[str]:
    states = supervisor.status(layout, names)
    return [name for name in names if not facts.unready(layout, name, states[name])]


def check(layout: Layout, say: Say, name: str) -> None:
    """Refuse to drain `name` when it alone answers for a procedure on some router."""
    try:
        answer = control.others(layout.control(name))
    except Unavailable as error:
        say(f"{name} does not say whether it is the last one that answers: {error.message}")
        return
    if answer.get("unknown"):
        say(f"{name} does not know whether it is the last one that answers for {', '.join(answer['unknown'])}")
    if alone := answer.get("alone"):
        raise LastCallee(
            f"{name} was not drained: it is the last one that answers for {', '.join(sorted(alone))}",
            remedy="start others first (another host, scale), "
            "or say that there may be a gap: `allow_gap: true`, `ionman host remove --allow-gap`",
        )
