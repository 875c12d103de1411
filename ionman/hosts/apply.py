"""The edge of a host: does what a plan says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby

from ionman.errors import IonmanError
from ionman.files import folder, write
from ionman.host import Plan, Step, Work
from ionman.hosts import ending, gap, record, supervisor
from ionman.hosts.back import Back
from ionman.hosts.instance import program
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.hosts.state import Deploy
from ionman.hosts.waiting import Waiting


@dataclass(frozen=True)
class Doing:
    """A plan being done on one host.

    `what` it is to the record (empty: each work says it); `gaps`: the services that may lose their last callee;
    `leaves`: the generation that is rolled back by hand; unless it `blames` that, it is as if it had never been tried.
    """

    layout: Layout
    plan: Plan
    say: Say
    deploy: Deploy = field(default_factory=Deploy)
    what: str = ""
    gaps: frozenset[str] = frozenset()
    leaves: str = ""
    blames: bool = True

    def all(self) -> None:
        """Do it, in the plan's order. What does not hold is taken away again, and the old is left or put back."""
        for work in self.plan.works:
            if work.changed:
                with record.told(self.layout, self.deploy, self.what or kind(work), work):
                    self._work(work)
        for step in self.plan.tidy:
            ending.forget(self.layout, step.target)
        # A router that was restarted before this has cost the others their connection for a moment.
        limits = {name: one.service.ready_timeout for one in self.plan.goals for name in one.programs}
        self._waiting.until_ready(limits, told=dict.fromkeys(limits, ""))

    @property
    def _waiting(self) -> Waiting:
        return Waiting(self.layout, self.say)

    def _work(self, work: Work) -> None:
        record.begin(self.layout, work, self.leaves)
        try:
            self._hold(work)
            self.steps(work, work.steps)
        except (IonmanError, OSError) as error:
            raise Back(self.layout, self.say, self.steps, self.deploy).after(work, error) from error

    def _hold(self, work: Work) -> None:
        """Svscan looks every 5 s: let it see at once all that is to be started later, one after the other."""
        names = [step.target for step in work.steps if step.verb == "start"]
        for name in names:
            assert work.goal is not None
            supervisor.install(self.layout, program(self.layout, work.goal, name))
        supervisor.hold(self.layout, names)

    def steps(self, work: Work, steps: Iterable[Step]) -> None:
        """Do these steps of `work`, those of one kind that follow each other together."""
        acts: dict[str, Callable[[Work, list[str]], None]] = {
            "write": self._write,
            "start": self._start,
            "await": self._await,
            "soak": self._soak,
            "drain": self._drain,
            "record": self._record,
        }
        for verb, group in groupby(steps, key=lambda step: step.verb):
            if verb in acts:
                acts[verb](work, [step.target for step in group])

    def _write(self, work: Work, targets: list[str]) -> None:
        assert work.goal is not None
        group = self.layout.user(work.goal.service.app)
        for target in targets:
            path = self.layout.configuration / target
            folder(path.parent.parent)
            folder(path.parent, mode=0o750, group=group)
            write(path, work.goal.files[target], mode=0o640, group=group)

    def _start(self, work: Work, names: list[str]) -> None:
        assert work.goal is not None
        self.say(f"starting {', '.join(names)}")
        for name in names:
            supervisor.install(self.layout, program(self.layout, work.goal, name))
            supervisor.enable(self.layout, name)
        supervisor.await_supervised(self.layout, names)
        supervisor.up(self.layout, names)

    def _await(self, work: Work, names: list[str]) -> None:
        assert work.goal is not None
        self._waiting.until_ready(dict.fromkeys(names, work.goal.service.ready_timeout))
        if not any(step.verb == "soak" for step in work.steps):
            record.tried(self.layout, work.service, work.goal.generation)

    def _soak(self, work: Work, names: list[str]) -> None:
        assert work.goal is not None
        ours = [name for name in supervisor.installed(self.layout) if name.split(".")[0] == work.service]
        old = [name for name in ours if name.split(".")[1] != work.goal.generation]
        self._waiting.soak(names, old, work.goal.service.how)
        record.tried(self.layout, work.service, work.goal.generation)

    def _record(self, work: Work, _: list[str]) -> None:
        if self.leaves and not self.blames:
            record.forget(self.layout, work.service, self.leaves)
        elif self.leaves:
            record.failed(self.layout, work.service, self.leaves, "rolled back")
        record.good(self.layout, work)

    def _drain(self, work: Work, names: list[str]) -> None:
        if work.service not in self.gaps:
            for group in gap.guarded(self.layout, self.say, work, names):
                ending.drain(self.layout, self.say, group)
        else:
            ending.drain(self.layout, self.say, names)


def kind(work: Work) -> str:
    """What a work is to the record."""
    if work.goal is None:
        return "scale"
    if work.before is None or work.before.generation != work.goal.generation:
        return "deploy"
    return "scale" if work.before.instances != work.goal.service.instances else "apply"
