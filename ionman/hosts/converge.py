"""The whole of `ionman host apply`: find out, compare, say, do."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ionman import handover, host
from ionman.errors import InputError
from ionman.host import KEEP, Facts, Missing, Step
from ionman.hosts import apply_router, crossbar, difference, facts, supervisor
from ionman.hosts.apply import Doing
from ionman.hosts.apply_router import DoingRouter
from ionman.hosts.difference import Difference
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.lock import Say, alone
from ionman.hosts.state import Router, Service, State

__all__ = ["Outcome", "Say", "converge", "remove"]


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be; the files' differences are masked."""

    steps: tuple[Step, ...] = ()
    differences: list[Difference] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was done, or would be."""
        return any(step.verb != KEEP for step in self.steps)

    def document(self) -> dict[str, Any]:
        """As `--json` shows it."""
        return {"changed": self.changed, "plan": [str(step) for step in self.steps], "diff": self.differences}


def converge(state: State, layout: Layout, *, check: bool, wait: float, say: Say) -> Outcome:
    """Make the host what `state` says, or with `check` only say what that would do. `wait` s for another apply.

    Both sections are checked before either is touched; the router comes first, for services that join it.
    """
    with alone(layout, say, wait):
        if not check:
            supervisor.sweep(layout)
        tasks: list[Task] = []
        if state.router is not None:
            tasks.append(_router(layout, state.router, say, check=check))
        if state.services is not None:
            tasks.append(_services(layout, state.services, say, check=check))
        steps = tuple(step for task in tasks for step in task.steps)
        for step in steps:
            say(str(step))
        for task in tasks:
            if not check:
                task.do()
        return Outcome(steps, [one for task in tasks for one in task.differences])


@dataclass(frozen=True)
class Task:
    """What one section asks for."""

    steps: tuple[Step, ...]
    differences: list[Difference] = field(default_factory=list)
    do: Callable[[], None] = lambda: None


def _router(layout: Layout, router: Router, say: Say, *, check: bool) -> Task:
    try:
        node = apply_router.wanted(layout, router, check=check)
    except Missing as error:
        if not check:
            raise
        return Task((_missing(ROUTER, error),))
    _accounts(layout, [layout.router_user], "crossbar")
    found = apply_router.found(layout, router)
    apply_router.check(layout, node, found)
    steps = crossbar.plan(node, found)
    return Task(steps, difference.router(node, found), DoingRouter(layout, node, found, steps, say).all)


def _services(layout: Layout, services: tuple[Service, ...], say: Say, *, check: bool) -> Task:
    there = facts.gather(layout, services)
    absent = _absent(layout, services, there) if check else {}
    services = tuple(one for one in services if one.name not in absent)
    there = _only(there, lambda name: name not in absent)
    plan = handover.plan(services, there, str(layout.configuration))
    if not absent:
        _accounts(layout, [layout.user(one.app) for one in services], "the application")
    steps = (*absent.values(), *plan.steps)
    return Task(steps, difference.services(plan, there), Doing(layout, plan, say).all)


def _absent(layout: Layout, services: tuple[Service, ...], there: Facts) -> dict[str, Step]:
    """The services whose version is not installed yet: a check cannot look further."""
    absent = {}
    for index, service in enumerate(services):
        try:
            host.goal(service, there, str(layout.configuration), f"services[{index}]")
        except Missing as error:
            absent[service.name] = _missing(service.name, error)
    return absent


def _missing(target: str, error: Missing) -> Step:
    return Step("missing", target, f"{error.message}; without it, nothing will be done")


def _accounts(layout: Layout, users: list[str | None], package: str) -> None:
    for user in (*users, layout.log_user):
        if user is not None and not facts.account(user):
            whose = "ionman" if user == layout.log_user else package
            raise InputError(
                f"the account {user} is not on this host",
                remedy=f"the package of {whose} declares it (sysusers.d): install that again",
            )


def remove(names: tuple[str, ...], layout: Layout, *, check: bool, wait: float, say: Say) -> Outcome:
    """Drain and remove the services (or the router) of these names, and leave everything else alone."""
    with alone(layout, say, wait):
        there = facts.gather(layout, ())
        known = {program.split(".")[0] for program in there.programs}
        if supervisor.status(layout, [ROUTER])[ROUTER].supervised or supervisor.enabled(layout, ROUTER):
            known.add(ROUTER)
        unknown = sorted(set(names) - known)
        if unknown:
            raise InputError(f"{unknown[0]} does not run here", remedy=f"here: {', '.join(sorted(known)) or 'nothing'}")
        plan = handover.plan((), _only(there, lambda name: name in names), str(layout.configuration))
        stop = (Step("drain", ROUTER, "to be removed"),) if ROUTER in names else ()
        for step in (*plan.steps, *stop):
            say(str(step))
        if not check:
            Doing(layout, plan, say).all()
            if stop:
                apply_router.remove(layout, say)
        return Outcome((*plan.steps, *stop))


def _only(there: Facts, ours: Callable[[str], bool]) -> Facts:
    """What belongs to the services whose name is `ours`."""
    return replace(
        there,
        programs={name: one for name, one in there.programs.items() if ours(name.split(".")[0])},
        files={name: text for name, text in there.files.items() if ours(name.split("/")[0])},
        runs=frozenset(name for name in there.runs if ours(name.split(".")[0])),
        logs={name: age for name, age in there.logs.items() if ours(name.split(".")[0])},
        memory={name: one for name, one in there.memory.items() if ours(name)},
    )
