"""Runs a playbook of this checkout: for the demo with its progress, a line a task, or as it is on a terminal."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import ionman
from ionman import process
from ionman.errors import IonmanError, NotPossible

TREE = Path(ionman.__file__).resolve().parents[1]
Tell = Callable[[str], None]
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(?P<name>.+?)\] \**$")
_TURN = re.compile(r"^services: (?P<line>.+)")
_RECAP = re.compile(r"^(?P<host>\S+)\s*: ok=\d+\s+changed=(?P<changed>\d+)")
_FAILED = re.compile(r"^(?:fatal:|failed:|\[?ERROR)")
_VERDICT = re.compile(r"^VERDICT \*+$")


@dataclass
class Reader:
    """Reads the output of ansible-playbook line by line: tasks become progress, failures and the verdict are kept."""

    tell: Tell
    failures: list[str] = field(default_factory=list)
    verdict: list[str] = field(default_factory=list)
    changed: int = 0
    _failing: bool = False
    _ending: bool = False

    def line(self, text: str) -> None:
        """Take one line of output."""
        if self._ending or _VERDICT.match(text):
            self.verdict += [text] if self._ending and text else []
            self._ending, self._failing = True, False
        elif task := _TASK.match(text):
            self._failing = False
            if "Validating arguments against" not in task["name"]:
                self.tell(f"deploy: {task['name']}")
        elif turn := _TURN.match(text):
            self.tell(f"deploy: {turn['line']}")
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

    The whole output goes to `log`; a failure raises `IonmanError` with the failed tasks and the verdict.
    """
    reader = Reader(tell)
    run = command(playbook, TREE / "inventory/lab", *arguments)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:

        def on_line(text: str) -> None:
            file.write(text + "\n")
            file.flush()
            reader.line(text)

        plain = {"ANSIBLE_NOCOLOR": "1", "IONMAN_LAB": lab, "PYTHONUNBUFFERED": "1"}
        status = process.stream(run, on_line, cwd=TREE, env=environment(plain))
    if status:
        found = [*reader.failures, *reader.verdict] or log.read_text().splitlines()[-20:]
        why = "\n".join(found)
        raise IonmanError(f"the deploy failed:\n{why}", remedy=f"the whole output is in {log}")
    return reader.changed


def command(playbook: str, inventory: Path | None, *arguments: str) -> list[str | Path]:
    """The command line of ansible-playbook for `playbooks/<playbook>.yml`; no inventory: that of ansible.cfg."""
    if not (TREE / "playbooks").is_dir():
        raise NotPossible("the playbooks are not here", remedy="run it from a checkout of ionman")
    program = Path(sys.executable).parent / "ansible-playbook"
    where: list[str | Path] = ["-i", inventory.absolute()] if inventory else []
    return [program, *where, TREE / f"playbooks/{playbook}.yml", *arguments]


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of ansible-playbook: this process's, the checkout's configuration, and `more`."""
    return {**os.environ, "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"), **more}
