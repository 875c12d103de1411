"""Runs a playbook of this checkout with its progress, a line a task, and says whether it changed anything."""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import ionman
from ionman import process
from ionman.demo.report import Tell
from ionman.errors import IonmanError, NotPossible

TREE = Path(ionman.__file__).resolve().parents[1]
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.+?)\] \**$")
_RECAP = re.compile(r"^(?P<host>\S+)\s*: ok=\d+\s+changed=(?P<changed>\d+)")
_FAILED = re.compile(r"^(?:fatal:|failed:|\[?ERROR)")


@dataclass
class Reader:
    """Reads the output of ansible-playbook line by line: tasks become progress, failures are kept whole."""

    tell: Tell
    failures: list[str] = field(default_factory=list)
    changed: int = 0
    _failing: bool = False

    def line(self, text: str) -> None:
        """Take one line of output."""
        if task := _TASK.match(text):
            self._failing = False
            if "Validating arguments against" not in task["name"]:
                self.tell(f"deploy: {task['name']}")
        elif recap := _RECAP.match(text):
            self.changed += int(recap["changed"])
        elif _FAILED.match(text):
            self._failing = True
        elif not text.strip() or text.startswith("PLAY "):
            self._failing = False
        if self._failing:
            self.failures.append(text)


def play(playbook: str, lab: str, log: Path, tell: Tell, *arguments: str) -> int:
    """Run `playbooks/<playbook>.yml` on lab `lab`; returns the number of changed tasks.

    The whole output goes to `log`; a failure raises `IonmanError` with the failed tasks.
    """
    if not (TREE / "playbooks").is_dir():
        raise NotPossible("the playbooks are not here", remedy="run it from a checkout of ionman")
    reader = Reader(tell)
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "IONMAN_LAB": lab,
        "PYTHONUNBUFFERED": "1",
    }
    command: list[str | Path] = [
        Path(sys.executable).parent / "ansible-playbook",
        "-i",
        TREE / "inventory/lab",
        TREE / f"playbooks/{playbook}.yml",
        *arguments,
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:

        def on_line(text: str) -> None:
            file.write(text + "\n")
            file.flush()
            reader.line(text)

        status = process.stream(command, on_line, cwd=TREE, env=environment)
    if status:
        why = "\n".join(reader.failures) or "\n".join(log.read_text().splitlines()[-20:])
        raise IonmanError(f"the deploy failed:\n{why}", remedy=f"the whole output is in {log}")
    return reader.changed
