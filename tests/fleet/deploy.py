"""What the tests of the whole chain do with a lab: play, look, call."""

import json
import os
import sys
from pathlib import Path

from ionman import process
from ionman.lab.hosts import Standing
from ionman.plays.playbook import TREE, play

BIN = Path(sys.executable).parent
SHORT: dict[str, object] = {"service_soak": 0.5, "service_settle": 0}  # enough where nothing is to be found out


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def check(lab: Standing) -> str:
    """The output of a check of the whole deploy; it must succeed."""
    command: list[str | Path] = [BIN / "ansible-playbook", "-i", "inventory/lab", "playbooks/deploy.yml"]
    command += ["--check", "--diff"]
    return process.run(command, cwd=TREE, env={**os.environ, "IONMAN_LAB": lab.lab.name}, timeout=300).stdout


def deploy(lab: Standing, playbook: str, **variables: object) -> int:
    """Play it with other variables; the number of changed tasks."""
    extra = ("--extra-vars", json.dumps(variables))
    return play(playbook, lab.lab.name, lab.directory / "log/test.log", tell, *extra)


def on(lab: Standing, host: str, command: str) -> str:
    """The output of a command on a host."""
    with lab.connect(host) as connection:
        return str(connection.run(command, hide=True).stdout)


def running(lab: Standing) -> dict[str, list[tuple[str, int]]]:
    """Host -> (program, pid) of the router and the instances there."""
    found = {host: json.loads(on(lab, host, "ionman host status --json")) for host in lab.names}
    return {
        host: [(one["program"], one["pid"]) for one in programs if one["generation"] or one["program"] == "router"]
        for host, programs in found.items()
    }


def call(lab: Standing, uri: str, argv: str = "{}") -> tuple[int, str]:
    """The exit status and the output of `ionman call`."""
    done = process.run([BIN / "ionman", "call", "--config", lab.directory / "call.ini", uri, argv], check=False)
    return done.returncode, done.stdout
