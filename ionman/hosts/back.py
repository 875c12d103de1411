"""What is done when a roll fails: what ran before runs again, the new is taken away and marked as failed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ionman import handover, host
from ionman.errors import IonmanError
from ionman.host import Goal, Step, Work
from ionman.hosts import ending, facts, record, supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.hosts.state import Deploy, Service, service
from ionman.hosts.waiting import NotReady
from ionman.record import GOOD, Ran

Do = Callable[[Work, Iterable[Step]], None]


@dataclass(frozen=True)
class Back:
    """The way back on one host; `do` does the steps of a work."""

    layout: Layout
    say: Say
    do: Do
    deploy: Deploy

    def after(self, work: Work, error: IonmanError | OSError) -> IonmanError:
        """Go back from `work`, which ended with `error`; the error to end with, which says what was done."""
        told = error if isinstance(error, IonmanError) else IonmanError(f"{work.service}: {error}")
        if work.goal is None:
            return told
        try:
            done = self._again(work, work.goal, work.ran) if work.ran else self._away(work.goal)
        except (IonmanError, OSError) as second:
            done = f"going back to what ran before failed too: {second}"
        self._mark(work, work.goal, error)
        told.remedy = f"{done}; {told.remedy}" if told.remedy else done
        return told

    def _away(self, goal: Goal) -> str:
        """Nothing ran before: what never served is taken away."""
        memory = record.memory_of(self.layout, goal.service.name)
        served = memory.mark(goal.generation) == GOOD or memory.tried(goal.generation)
        gone = [
            name
            for name in goal.programs
            if name in supervisor.installed(self.layout)
            and not (served and (self.layout.program(name) / "proven").exists())
        ]
        ending.drain(self.layout, self.say, gone)
        self._clean(goal)
        return "what ran before was left as it was" if served else "it never ran before, and was taken away"

    def _again(self, work: Work, goal: Goal, ran: Ran) -> str:
        """What ran before is made to run again, where it does not; then the new goes."""
        old = self._entry(ran, goal)
        if old is None:
            return self._unrecorded(goal, ran)
        there = facts.gather(self.layout, (old,))
        before = host.goal(old, there, str(self.layout.configuration))
        if before.generation != ran.generation:  # its package was replaced
            return self._unrecorded(goal, ran)
        back = handover.handover(before, there)
        steps = [step for step in back.steps if step.verb != "record"]
        if not any(step.verb == "start" for step in steps):
            self.do(back, steps)
            self._clean(goal)
            return "what ran before was left as it was"
        self.say(f"putting {work.service} back to generation {ran.generation}")
        put = replace(back, before=work.to)
        with record.told(self.layout, replace(self.deploy, what=""), "put back", put):
            self.do(back, steps)
        self._clean(goal)
        return f"generation {ran.generation} (version {ran.version}) runs again"

    def _entry(self, ran: Ran, goal: Goal) -> Service | None:
        memory = record.memory_of(self.layout, goal.service.name)
        known = memory.records.get(ran.generation)
        if known is None or known.entry is None:
            return None
        how = {"instances": ran.instances, "soak": 0, "allow_gap": True, "retry": True}
        return service({**known.entry, **how}, f"the record of {goal.service.name} {ran.generation}")

    def _unrecorded(self, goal: Goal, ran: Ran) -> str:
        """It is not known how to start what ran before: the new goes only when all of that still runs."""
        prefix = f"{goal.service.name}.{ran.generation}."
        names = supervisor.installed(self.layout)
        if len([name for name in names if name.startswith(prefix)]) < ran.instances:
            return f"generation {ran.generation} cannot be started again: it is not in the record of this host"
        ending.drain(self.layout, self.say, [name for name in goal.programs if name in names])
        self._clean(goal)
        return "what ran before was left as it was"

    def _clean(self, goal: Goal) -> None:
        """The configuration goes with the last program."""
        if not self._runs(goal):
            ending.forget(self.layout, f"{goal.service.name}/{goal.generation}")

    def _runs(self, goal: Goal) -> bool:
        base = f"{goal.service.name}.{goal.generation}."
        return any(name.startswith(base) for name in supervisor.installed(self.layout))

    def _mark(self, work: Work, goal: Goal, error: Exception) -> None:
        """Mark the new as failed, when it is to blame; else it is as if it had never been tried."""
        blamed = isinstance(error, NotReady) and error.blamed
        memory = record.memory_of(self.layout, work.service)
        if work.ran is None and memory.mark(goal.generation) == GOOD:
            return  # more of what is good, or one of it again: that says nothing of the rest
        if blamed:
            record.failed(self.layout, work.service, goal.generation, record.why(error))
            record.over(self.layout, work.service)
        elif memory.mark(goal.generation) != GOOD:
            record.over(self.layout, work.service)
            if not self._runs(goal):
                record.forget(self.layout, work.service, goal.generation)
