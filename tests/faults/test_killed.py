"""Whoever deploys is killed, at one moment after the other: nobody notices, and the next run finishes the work."""

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest

from ionman import process
from ionman.plays.playbook import TREE, command, environment
from ionman.probe import Limits
from ionman.probes.words import report
from tests.faults.scene import BASELINE, Scene
from tests.fleet.deploy import on, tell

pytestmark = pytest.mark.timeout(900)

SECONDS = (2.0, 5.0, 7.0, 9.0, 12.0, 15.0, 19.0, 24.0)  # after its start; a run takes about 30 s
KINDS = ("the deployer", "all of its processes", "the host's command", "the connection to the host")


def begin(scene: Scene, title: str) -> "subprocess.Popen[bytes]":
    """A deploy of another configuration, under way."""
    config = scene.services()[0]["config"] | {"title": title}
    variables = scene.variables | {"service_list": scene.services(config=config), "service_soak": 3}
    run = command("service", TREE / "inventory/lab", "--extra-vars", json.dumps(variables))
    plain = environment({"ANSIBLE_NOCOLOR": "1", "IONMAN_LAB": scene.lab.lab.name})
    with (scene.lab.directory / "log/killed.log").open("wb") as log:
        return process.start(run, cwd=TREE, env=plain, stdout=log, die_with_parent=True)


def kill(scene: Scene, child: "subprocess.Popen[bytes]", kind: str, seconds: float) -> None:
    """Kill what `kind` says, after so many seconds, and see the run end."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    if kind == KINDS[0]:
        child.kill()
    elif kind == KINDS[1]:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    else:
        pattern = "[i]onman host apply" if kind == KINDS[2] else "[s]shd: root@notty"
        for host in scene.lab.names:  # a moment later, and by itself: the connection that asks for it is one of them
            on(scene.lab, host, f"setsid -f sh -c \"sleep 0.3; pkill -9 -f '{pattern}'\" >/dev/null 2>&1")
    child.wait(300)


@pytest.mark.parametrize("kind", KINDS)
def test_the_next_run_finishes_the_work(scene: Scene, supervisor: str, kind: str) -> None:
    with scene.probing() as probing:
        time.sleep(BASELINE)
        probing.mark("put back")  # a host on which it failed has the others put back
        for number, seconds in enumerate(SECONDS[KINDS.index(kind) % 2 :: 2]):
            title = f"{supervisor}, {kind} {number}"
            kill(scene, begin(scene, title), kind, seconds)
            time.sleep(1)
            config = scene.services()[0]["config"] | {"title": title}
            scene.play("service", service_list=scene.services(config=config), lock_wait=60, service_retry=True)
            rows = [json.loads(on(scene.lab, host, "ionman host status --json")) for host in scene.lab.names]
            programs = [row["program"] for host in rows for row in host if row["generation"]]
            assert len(programs) == 3
            assert len(set(programs)) == 1, "one generation everywhere, and nothing is left of another"
    verdict = probing.verdict(Limits(ratio=0, callees=3))
    tell(report(verdict))
    assert verdict.faults == []
