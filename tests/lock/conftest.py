"""Runs of real ansible-playbook that take the lock on real routers."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import process
from ionman.locks import place
from tests.crossbar import PASSWORDS, Crossbar

ROOT = Path(__file__).parents[2]
PLAY = [
    {"ansible.builtin.import_playbook": str(ROOT / "playbooks/lock.yml")},
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.file": {"path": "{{ here }}/began-{{ name }}", "state": "touch", "mode": "0600"}},
            {"ansible.builtin.wait_for": {"path": "{{ here }}/go-on-{{ name }}", "timeout": 120, "sleep": 1}},
            {"next_host": {}},
        ],
    },
    {"ansible.builtin.import_playbook": str(ROOT / "playbooks/lock.yml")},
]
NEXT_HOST = '''"""Asks what a roll asks before each host."""
from ansible.plugins.action import ActionBase
from ionman import locks

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        why = locks.held()
        told = locks.tell("host", {"host": task_vars["inventory_hostname"], "result": why or "done"})
        return {"changed": False, "failed": bool(why), "msg": why or "held", "told": told}
'''


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What it gives, once that is something."""
    ends = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.05)
    return found


class Run:
    """One `ansible-playbook` of the play above, against this machine."""

    def __init__(self, here: Path, name: str, inventory: Path, *arguments: str) -> None:
        self.name = name
        self._here, self._log = here, here / f"{name}.log"
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment |= {"XDG_RUNTIME_DIR": str(here), "PYTHONUNBUFFERED": "1", "COLUMNS": "1000"}
        command: list[str | Path] = [
            Path(sys.executable).parent / "ansible-playbook",
            "-i",
            inventory,
            here / "deploy.yml",
        ]
        with self._log.open("wb") as log:
            self.child = process.start(
                [*command, "-e", f"name={name}", "-e", f"here={here}", *arguments],
                cwd=here,
                env=environment,
                stdout=log,
                die_with_parent=True,
            )

    @property
    def output(self) -> str:
        """What it said so far."""
        return self._log.read_text(errors="replace")

    def began(self) -> "Run":
        """Wait until it is past the lock."""
        until(lambda: (self._here / f"began-{self.name}").exists() or self.child.poll() is not None)
        assert self.child.poll() is None, self.output
        return self

    def go_on(self) -> "Run":
        """Let it come to its next host, and to its end."""
        (self._here / f"go-on-{self.name}").touch()
        return self

    def end(self, seconds: float = 90.0) -> int:
        """Wait for its end; returns the status."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not end:\n{self.output}")

    def folder(self) -> Path:
        """Where its lock is asked."""
        return self._here / "ionman" / f"deploy-{self.child.pid}-{place.stat(self.child.pid)[19]}"

    def state(self) -> str:
        """What its holder says of the lock."""
        with place.connect(self.folder(), 10) as connection:
            connection.sendall(b'{"do": "state"}\n')
            return str(json.loads(connection.makefile().readline())["state"])

    def holder(self) -> int:
        """The process that holds its lock, by what the kernel says of the socket's other end."""
        with place.connect(self.folder(), 5) as connection:
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", found)[0])

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it as an operator or the kernel would."""
        self.child.send_signal(number)
        self.child.wait(30)


class Controller:
    """A machine that deploys: an inventory with these routers, and runs on it."""

    def __init__(self, here: Path, routers: list[Crossbar]) -> None:
        self.here = here
        self._runs: list[Run] = []
        (here / "deploy.yml").write_text(yaml.safe_dump(PLAY))
        (here / "action_plugins").mkdir()
        (here / "action_plugins/next_host.py").write_text(NEXT_HOST)
        self.routers = sorted(router.address for router in routers)
        (here / "ca.pem").write_bytes(b"".join(router.authority.certificate for router in routers))

    def run(self, name: str, *arguments: str, **variables: Any) -> Run:
        """Start one; `variables` go over the inventory's, and None takes one away."""
        named = {"lock_routers": self.routers, "lock_realm": "ionman", "lock_user": "ops"}
        named |= {"lock_password": PASSWORDS["ops"], "certificate_dir": str(self.here), "ansible_connection": "local"}
        named |= {"ansible_python_interpreter": sys.executable, "service_list": []}
        used = {key: value for key, value in {**named, **variables}.items() if value is not None}
        inventory = self.here / f"{name}.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": used}, "build": {"hosts": {"here1": {}}}}))
        self._runs.append(Run(self.here, name, inventory, *arguments))
        return self._runs[-1]

    def left(self) -> list[str]:
        """What runs left behind: folders with sockets."""
        return sorted(path.name for path in (self.here / "ionman").glob("*"))

    def close(self) -> None:
        """End what still runs."""
        for run in self._runs:
            if run.child.poll() is None:
                run.kill()


@pytest.fixture(scope="session")
def second_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    """Another running Crossbar, for what needs two."""
    crossbar = Crossbar(tmp_path_factory.mktemp("second_router"))
    yield crossbar.start()
    crossbar.stop()


@pytest.fixture
def controller(tmp_path: Path, router: Crossbar, second_router: Crossbar) -> Iterator[Controller]:
    """A controller of two routers that other tests use too."""
    made = Controller(tmp_path, [router, second_router])
    yield made
    made.close()
