"""Two hosts on which the same is done at the same time: svc has the service of one, systemd that of the other."""

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ionman import process
from ionman.lab.hosts import Standing

HELPER = re.compile(r"ionman-")
RECORDS = "/var/lib/ionman/record/demo"
PATIENCE = 60.0  # s


@dataclass
class Done:
    """How a command of the host ended."""

    status: int
    text: str

    @property
    def result(self) -> str:
        """What became of the one service that it changed."""
        (one,) = json.loads(self.text.splitlines()[-1])["services"]
        return str(one["result"])


@dataclass
class Side:
    """The service demo on one host, changed by the host's own command."""

    lab: Standing
    kind: str
    host: str
    entry: dict[str, Any] = field(default_factory=dict, repr=False)

    def on(self, command: str, stdin: str = "", *, check: bool = True) -> str:
        """What a shell command on the host writes."""
        return process.run(self.lab.ssh_command(self.host, command), stdin=stdin, timeout=120, check=check).stdout

    def know(self) -> None:
        """Learn from the host's record what it was told to run."""
        (generation,) = {name.split(".")[1] for name in self.pids()}
        self.entry = json.loads(self.on(f"cat {RECORDS}/{generation}.json"))["entry"]

    def wanted(self, **change: Any) -> str:
        """The desired state with this change, which counts from now on; `title` is one of the configuration."""
        if title := change.pop("title", ""):
            change["config"] = {**self.entry["config"], "title": title}
        return json.dumps({"services": [{**self.entry, **change}]})

    def apply(self, **change: Any) -> Done:
        """Change the service; what is kept of the change if it holds is what the host was told."""
        state = self.wanted(**change)
        done = self._command("apply", state)
        if not done.status:
            (self.entry,) = json.loads(state)["services"]
        return done

    def rollback(self) -> Done:
        done = self._command("rollback demo")
        self.know()
        return done

    def _command(self, words: str, stdin: str = "") -> Done:
        command = self.lab.ssh_command(self.host, f"ionman host {words} --json")
        done = process.run(command, stdin=stdin, timeout=120, check=False)
        return Done(done.returncode, done.stdout)

    def kill_in_the_middle(self, **change: Any) -> None:
        """Begin a change, and kill it when there is an instance of two generations."""
        count = "ls -d /var/lib/ionman/supervise/demo.*.1 | wc -l"
        script = f"""
            exec 2>/dev/null; umask 077; cat >/run/wanted.json
            ionman host apply </run/wanted.json >/dev/null & apply=$!
            while [ "$({count})" -lt 2 ] && kill -0 $apply; do sleep 0.05; done
            kill -9 $apply; wait $apply; echo $?; rm /run/wanted.json"""
        assert self.on(script, self.wanted(**change)).split()[-1] == str(128 + 9)

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.on("ionman host status --json"))
        return found

    def pids(self) -> dict[str, int]:
        """What is ready of the instances and the router, with its process; not what helps them."""
        return {row["program"]: row["pid"] for row in self.rows() if row["ready"] and not HELPER.match(row["program"])}

    def await_ready(self, number: int, other_than: int = 0) -> dict[str, int]:
        """The processes, once so many instances are ready."""
        deadline = time.monotonic() + PATIENCE
        while len(found := self.pids()) < number or other_than in found.values():
            assert time.monotonic() < deadline, self.rows()
            time.sleep(0.2)
        return found

    def units(self) -> int:
        """How many instances systemd has."""
        return len(self.on("systemctl list-units --plain --no-legend 'ionman-demo*[0-9].service'").splitlines())

    def links(self) -> int:
        """How many instances svscan has."""
        return sum(name.startswith("demo.") for name in self.on("ls /etc/service").split())


Sides = dict[str, Side]
Answer = TypeVar("Answer")


def at_once(sides: Sides, act: Callable[[Side], Answer]) -> dict[str, Answer]:
    """Do the same on both hosts."""
    with ThreadPoolExecutor(len(sides)) as pool:
        return dict(zip(sides, pool.map(act, sides.values()), strict=True))
