"""The lab that is to lose no call: how it is deployed, probed and looked at."""

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

import ionman
from ionman.calls.client import Client
from ionman.errors import IonmanError
from ionman.lab import lifecycle, releases
from ionman.lab.hosts import Standing
from ionman.plays.playbook import TREE, play
from ionman.probe import Limits
from ionman.probes import Probing
from ionman.probes.words import report
from tests.fleet.deploy import on, tell

SERVICE, REPOSITORY, GOOD = "demo", "ionman/demo", "1.0.0"
RATE, CALLERS, RATIO = 200, 20, 3.0
BASELINE = 5.0  # s of calls before what is done, and the same after it


class Scene:
    """Three hosts with the example application, by the playbooks and with packages of this scene's own."""

    verify: ClassVar = {"uri": "app.demo.method1", "argv": {}, "answer": {"status": "OK"}}

    def __init__(self, lab: Standing) -> None:
        self.lab = lab
        self.supervisor = "svc"
        dist = str(lab.directory / "dist")
        self.variables: dict[str, Any] = {"deb_output": dist, "service_soak": 5, "demo_version": GOOD}

    def play(self, playbook: str, **variables: Any) -> None:
        """Run a playbook; raises `IonmanError` with what it said when it fails."""
        extra = json.dumps(self.variables | variables)
        play(playbook, self.lab.lab.name, self.lab.directory / "log/faults.log", tell, "--extra-vars", extra)

    def output(self) -> str:
        """What the last playbook wrote."""
        return (self.lab.directory / "log/faults.log").read_text()

    def publish(self, version: str, changes: Mapping[str, str]) -> None:
        """Make the release `version` of the example, with other files: path -> text."""
        files = releases.read_tree(TREE / "examples/demo")
        project = files["pyproject.toml"][0].replace(b'version = "1.0.0"', f'version = "{version}"'.encode())
        made = {"pyproject.toml": (project, 0o644)} | {name: (text.encode(), 0o644) for name, text in changes.items()}
        folder = releases.folder(self.lab.lab.name)
        releases.publish_files(files | made, folder, REPOSITORY, f"v{version}", replace=True)

    def secret(self, user: str) -> str:
        """A password that the inventory made."""
        return (self.lab.directory / "secrets" / user).read_text().strip()

    def connect(self, user: str = "ops") -> Client:
        """A client on the lab's router."""
        router = f"localhost:{self.lab.router_port}"
        return ionman.connect([router], user=user, password=self.secret(user), ca=self.lab.directory / "ca/ca.pem")

    def running(self) -> dict[str, int]:
        """`<program> on <host>` -> pid, of the service's instances on all hosts."""
        found: dict[str, int] = {}
        for host in self.lab.names:
            rows = json.loads(on(self.lab, host, "ionman host status --json"))
            found |= {f"{row['program']} on {host}": row["pid"] for row in rows if row["generation"]}
        return found

    def probing(self, **how: Any) -> Probing:
        """A probe of the service: 200 calls a second in the open loop, and 20 callers in a closed loop."""
        history = self.lab.directory / "log/history.jsonl"
        return Probing(self.connect, SERVICE, RATE, history, callers=CALLERS, **how)

    def versions(self) -> set[str]:
        """Which versions of the service the hosts run."""
        rows = [row for host in self.lab.names for row in json.loads(on(self.lab, host, "ionman host status --json"))]
        return {row["version"] for row in rows if row["generation"]}

    def use(self, supervisor: str) -> None:
        """Have the service run under `supervisor`, at `GOOD`, one on each host; nothing is done where it does."""
        if self.supervisor != supervisor or self.versions() != {GOOD} or len(self.running()) != len(self.lab.names):
            self.supervisor = self.variables["service_supervisor"] = supervisor
            self.play("service", service_settle=0, service_soak=0)

    def services(self, **changes: Any) -> list[dict[str, Any]]:
        """The list of services as inventory/lab has it, with other keys of the one that is in it."""
        inventory = yaml.safe_load((TREE / "inventory/lab/group_vars/all.yml").read_text())
        return [inventory["service_list"][0] | changes]

    @contextmanager
    def probed(self, callees: int, **how: Any) -> Iterator[None]:
        """Probe around what is done inside: there must be no fault, and never fewer callees."""
        with self.probing(**how) as probing:
            time.sleep(BASELINE)
            with probing.around():
                yield
            time.sleep(BASELINE)
        verdict = probing.verdict(Limits(RATIO, callees))
        tell(report(verdict))
        assert verdict.faults == []

    def fails(self, said: str, playbook: str, *, idempotent: bool = False, **variables: Any) -> None:
        """Play what must fail, and say so in its last lines, with no call lost and every instance left as it was."""
        before = self.running()
        with pytest.raises(IonmanError, match=said), self._failing(len(before), idempotent=idempotent):
            self.play(playbook, **variables)
        assert self.running() == before, "the same processes"

    @contextmanager
    def _failing(self, callees: int, **how: Any) -> Iterator[None]:
        with self.probing(**how) as probing:
            time.sleep(BASELINE)
            try:
                with probing.around():  # marks it as failed: what was put back is no fault
                    yield
            finally:
                time.sleep(BASELINE)
                verdict = probing.verdict(Limits(RATIO, callees))
                tell(report(verdict))
                assert verdict.faults == []


def stand(name: str, pid: int) -> Scene:
    """A scene on a new lab `name`, with the example at `GOOD` deployed."""
    lifecycle.down(name, tell)
    lifecycle.up(name, 3, pid, tell)
    scene = Scene(Standing(name))
    dist = Path(scene.variables["deb_output"])
    dist.mkdir()
    for built in (TREE / "build/dist").glob("crossbar-*"):
        shutil.copy(built, dist)  # 90 s to build, and the same for everybody
    scene.play("deploy")
    scene.variables["deb_tools"] = []  # ionman's own package stays as it is, also where somebody works on this checkout
    return scene
