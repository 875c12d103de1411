"""The whole of `ionman host apply`: find out, compare, say, do."""

import os
import pwd
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from ionman import handover, host
from ionman.errors import InputError
from ionman.host import Facts, Missing, Plan, Step
from ionman.hosts import (
    apply_router,
    apply_users,
    apply_watch,
    crossbar,
    difference,
    ending,
    facts,
    gap,
    helper,
    router_going,
    supervisor,
)
from ionman.hosts.apply import Doing
from ionman.hosts.apply_metrics import DoingMetrics
from ionman.hosts.apply_router import DoingRouter
from ionman.hosts.apply_users import DoingUsers
from ionman.hosts.difference import Difference
from ionman.hosts.endpoint import Metrics
from ionman.hosts.layout import ROUTER, Layout
from ionman.hosts.lock import Say, alone
from ionman.hosts.outcome import Asked, Outcome
from ionman.hosts.state import Deploy, Router, Service, State

__all__ = ["Outcome", "Say", "converge", "remove"]


def converge(state: State, layout: Layout, *, check: bool, wait: float, say: Say) -> Outcome:
    """Make the host what `state` says, or with `check` only say what that would do. `wait` s for another apply.

    Both sections are checked before either is touched; the router comes first, for services that join it.
    """
    with alone(layout, say, wait):
        if not check:
            supervisor.sweep(layout)
            ending.sweep(layout)
        tasks: list[Task] = []
        if state.router is not None:
            tasks.append(_router(layout, state.router, say, check=check))
            users = DoingUsers(layout, state.router, say)
            tasks.append(Task(users.steps(), do=users.all))
        if state.services is not None:
            tasks.append(_services(layout, state, say, check=check))
        if state.metrics is not None:
            tasks.append(_metrics(layout, state.metrics, say))
        steps = tuple(step for task in tasks for step in task.steps)
        for step in steps:
            say(str(step))
        for task in tasks:
            if not check:
                task.do()
        works = tuple(work for task in tasks for work in task.plan.works)
        gaps = frozenset(name for task in tasks for name in task.gaps)
        return Outcome(steps, [one for task in tasks for one in task.differences], works, check, gaps)


@dataclass(frozen=True)
class Task:
    """What one section asks for."""

    steps: tuple[Step, ...]
    differences: list[Difference] = field(default_factory=list)
    do: Callable[[], None] = lambda: None
    plan: Plan = field(default_factory=Plan)
    gaps: frozenset[str] = frozenset()


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
    if outage := crossbar.outage(node, steps):
        refusal = router_going.refuse(layout, outage)
        if not check:
            raise refusal
        say(str(refusal))
    watch, watching = apply_watch.plan(layout, router, say)

    def do() -> None:
        DoingRouter(layout, node, found, steps, say).all()
        watching()

    return Task((*steps, *watch), difference.router(node, found), do)


def _metrics(layout: Layout, metrics: Metrics, say: Say) -> Task:
    if metrics.address:
        _accounts(layout, [layout.metrics_user], "ionman")
    doing = DoingMetrics(layout, metrics, say)
    return Task(doing.steps(), do=doing.all)


def _services(layout: Layout, state: State, say: Say, *, check: bool) -> Task:
    services = state.services or ()
    there = facts.gather(layout, services)
    absent = _absent(layout, services, there) if check else {}
    services = tuple(one for one in services if one.name not in absent)
    there = only(there, lambda name: name not in absent)
    plan = handover.plan(services, there, str(layout.configuration))
    prepare(layout, services)
    gaps = _gaps(plan, there, everywhere=state.allow_gap)
    gap.foresee(layout, say, plan, gaps)
    steps = (*absent.values(), *plan.steps)
    do = Doing(layout, plan, say, signed(state.deploy), gaps=gaps).all
    return Task(steps, difference.services(plan, there), do, plan, gaps)


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


def prepare(layout: Layout, services: Collection[Service]) -> None:
    """Refuse services that this host cannot run: an account or a supervisor is not there."""
    _accounts(layout, [layout.user(one.app) for one in services], "the application")
    for one in services:
        supervisor.check(layout, one.supervisor)


def _accounts(layout: Layout, users: list[str | None], package: str) -> None:
    for user in (*users, layout.log_user):
        if user is not None and not facts.account(user):
            whose = "ionman" if user == layout.log_user else package
            raise InputError(
                f"the account {user} is not on this host",
                remedy=f"the package of {whose} declares it (sysusers.d): install that again",
            )


def _gaps(plan: Plan, there: Facts, *, everywhere: bool) -> frozenset[str]:
    """The services that may lose their last callee; one that goes has said it when it was wanted last."""
    allowed = set()
    for work in plan.works:
        memory = there.memory.get(work.service)
        last = memory.records[memory.good()[0]].entry if memory and memory.good() else None
        own = work.goal.service.how.allow_gap if work.goal else bool(last and last.get("allow_gap"))
        if own or everywhere:
            allowed.add(work.service)
    return frozenset(allowed)


def signed(deploy: Deploy) -> Deploy:
    """`deploy` with the calling user and a number where nobody said who and which."""
    who = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    return Deploy(deploy.id or secrets.token_hex(4), deploy.who or who, deploy.what)


def remove(names: tuple[str, ...], layout: Layout, asked: Asked) -> Outcome:
    """Drain and remove the services (or the router) of these names, and leave everything else alone."""
    with alone(layout, asked.say, asked.wait):
        there = facts.gather(layout, ())
        known = {program.split(".")[0] for program in there.programs}
        if supervisor.status(layout, [ROUTER])[ROUTER].supervised or supervisor.enabled(layout, ROUTER):
            known.add(ROUTER)
        known |= (helpers := set(helper.installed(layout)))
        unknown = sorted(set(names) - known)
        if unknown:
            raise InputError(f"{unknown[0]} does not run here", remedy=f"here: {', '.join(sorted(known)) or 'nothing'}")
        plan = handover.plan((), only(there, lambda name: name in names), str(layout.configuration))
        gaps = _gaps(plan, there, everywhere=asked.allow_gap)
        gap.foresee(layout, asked.say, plan, gaps)
        stop = tuple(Step("drain", name, "to be removed") for name in names if name in {ROUTER, *helpers})
        for step in (*plan.steps, *stop):
            asked.say(str(step))
        if not asked.check:
            Doing(layout, plan, asked.say, signed(asked.deploy), gaps=gaps).all()
            for step in stop:
                if step.target == ROUTER:
                    _remove_router(layout, asked)
                else:
                    helper.remove(layout, step.target, asked.say)
        return Outcome((*plan.steps, *stop), works=plan.works, planned=asked.check, gaps=gaps)


def _remove_router(layout: Layout, asked: Asked) -> None:
    """With what is beside it; who is there is asked to leave first."""
    if supervisor.status(layout, [ROUTER])[ROUTER].up:
        router_going.for_good(layout, asked.say, allow_gap=asked.allow_gap)
    apply_watch.remove(layout, asked.say)
    apply_users.remove(layout, asked.say)
    apply_router.remove(layout, asked.say)


def only(there: Facts, ours: Callable[[str], bool]) -> Facts:
    """What belongs to the services whose name is `ours`."""
    return replace(
        there,
        programs={name: one for name, one in there.programs.items() if ours(name.split(".")[0])},
        files={name: text for name, text in there.files.items() if ours(name.split("/")[0])},
        runs=frozenset(name for name in there.runs if ours(name.split(".")[0])),
        logs={name: age for name, age in there.logs.items() if ours(name.split(".")[0])},
        memory={name: one for name, one in there.memory.items() if ours(name)},
    )
