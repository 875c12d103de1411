"""The edge of a host: does what a plan says."""

import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ionman.errors import IonmanError, Unavailable
from ionman.files import folder, write
from ionman.host import Goal, Plan
from ionman.hosts import facts, supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.lock import Say
from ionman.hosts.supervisor import Program

MARGIN = 5.0  # s beyond a service's own drain_timeout before it is killed
FAILURES = 3  # quick ends in a row after which an instance will not become ready


@dataclass(frozen=True)
class Doing:
    """A plan being done on one host."""

    layout: Layout
    plan: Plan
    say: Say

    def all(self) -> None:
        """Do it, in the plan's order. What does not become ready is taken away again, and the old is left alone."""
        by_program = {name: goal for goal in self.plan.goals for name in goal.programs}
        self._write()
        started = {name: by_program[name] for name in self.plan.targets("start")}
        for name, goal in started.items():
            self.say(f"starting {name}")
            supervisor.install(self.layout, program(self.layout, goal, name))
            supervisor.enable(self.layout, name)
        waiting = {name: by_program[name] for name in self.plan.targets("await")}
        try:
            supervisor.await_supervised(self.layout, started)
            supervisor.up(self.layout, started)
            self._await(waiting)
        except IonmanError:
            self._undo(waiting)
            raise
        self._drain(self.plan.targets("drain"))
        for target in self.plan.targets("forget"):
            self._forget(target)
        # A router that was restarted before this has cost the others their connection for a moment.
        self._await(by_program, told=dict.fromkeys(by_program, ""))

    def _write(self) -> None:
        for target in self.plan.targets("write"):
            goal = next(one for one in self.plan.goals if target in one.files)
            path = self.layout.configuration / target
            group = self.layout.user(goal.service.app)
            folder(path.parent.parent)
            folder(path.parent, mode=0o750, group=group)
            write(path, goal.files[target], mode=0o640, group=group)

    def _await(self, waiting: Mapping[str, Goal], told: dict[str, str] | None = None) -> None:
        """Wait until each is ready; `told` is what was said of them before."""
        if not waiting:
            return
        supervisor.await_supervised(self.layout, waiting)
        start = time.monotonic()
        told = {} if told is None else told
        left = dict(waiting)
        while left:
            for name, status in supervisor.status(self.layout, list(left)).items():
                note = facts.unready(self.layout, name, status)
                if not note:
                    self._prove(name)
                    del left[name]
                if told.get(name) != note:
                    told[name] = note
                    self.say(f"{name}: {note or 'ready'}")
                limit = waiting[name].service.ready_timeout
                hopeless = supervisor.failures(self.layout, name) >= FAILURES
                if note and (hopeless or time.monotonic() - start > limit):
                    raise self._not_ready(name, note, "" if hopeless else f" within {limit:g} s")
            time.sleep(0.1)

    def _prove(self, name: str) -> None:
        """Note that it was ready once: from now on it is not taken away for not being so."""
        proof = self.layout.program(name) / "proven"
        if not proof.exists():
            write(proof, "")

    def _not_ready(self, name: str, note: str, within: str) -> Unavailable:
        tail = "".join(f"\n    {line}" for line in supervisor.log_tail(self.layout, name))
        return Unavailable(
            f"{name} did not become ready{within}: {note}" + (f"; its log ends with{tail}" if tail else ""),
            remedy=f"what ran before was left as it was; the whole log is in {self.layout.logs / name}",
        )

    def _undo(self, waiting: Mapping[str, Goal]) -> None:
        """Take away what never was ready: nobody depends on it."""
        gone = [name for name in waiting if not (self.layout.program(name) / "proven").exists()]
        self._drain(gone)
        for goal in waiting.values():
            base = f"{goal.service.name}/{goal.generation}"
            if not any(name.startswith(f"{base.replace('/', '.')}.") for name in supervisor.installed(self.layout)):
                self._forget(base)

    def _drain(self, names: Iterable[str]) -> None:
        if not names:
            return
        self.say(f"draining {', '.join(names)}")
        limits = {name: _drain_timeout(self.layout, name) + MARGIN for name in names}
        for name in supervisor.drain(self.layout, limits):
            self.say(f"{name} did not end within {limits[name]:g} s and was killed")
        supervisor.remove(self.layout, names)
        for name in names:
            self._forget(name)

    def _forget(self, target: str) -> None:
        """Remove a configuration (``service/generation``), a run folder (``program``) or a log (``log program``)."""
        if "/" in target:
            path = self.layout.configuration / target
        elif target.startswith("log "):
            path = self.layout.logs / target.removeprefix("log ")
        else:
            path = self.layout.runs / target
        if path.exists():
            shutil.rmtree(path)
        if "/" in target and path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _drain_timeout(layout: Layout, name: str) -> float:
    return float(supervisor.about(layout, name).get("drain_timeout", 30))


def program(layout: Layout, goal: Goal, name: str) -> Program:
    """How one instance of `goal` is run."""
    service = goal.service
    release = layout.release(service.app, service.version)
    state = layout.states / service.name
    user = layout.user(service.app)
    folder(state, mode=0o750, user=user, group=user)
    return Program(
        name=name,
        # --no_save: twistd would pickle the application into its folder at the end
        command=(
            *(str(release / "venv/bin/twistd"), "-n", "--pidfile=", "--no_save"),
            *("-y", str(release / "app" / service.file)),
        ),
        directory=release / "app",
        user=user,
        writable=(state,),
        environment={
            "PATH": f"{release}/venv/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(state),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **service.environment,
            "IONMAN_CONFIG": str(layout.generation(service.name, goal.generation) / "config.ini"),
            "IONMAN_INSTANCE": name,
            "IONMAN_CONTROL": str(layout.control(name)),
        },
        open_files=service.open_files,
        memory=service.memory,
        drain_timeout=int(service.drain_timeout),
        about={
            "service": service.name,
            "generation": goal.generation,
            "app": service.app,
            "version": service.version,
            "drain_timeout": service.drain_timeout,
        },
    )
