"""Runs on a lab host: for each line of its input, `[["status", ["name"]], ...]`, calls functions of the door in turn.

Writes a line with a JSON list of what they returned, or with what was raised.
"""

import dataclasses
import itertools
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ionman.hosts import supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.supervisors import svc, systemd
from ionman.process import run

LOOKS = ("svstat", "svok", "show")  # these touch nothing
LAYOUT = Layout()
Calls = list[list[Any]]


def count(last: int) -> None:
    """Have this process end before step `last`."""
    left = last

    def before(act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if act is not run or not set(arguments[0][:2]) & set(LOOKS):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
            return act(*arguments, **named)

        return counted

    paths = [(Path, name) for name in ("rename", "replace", "symlink_to", "unlink", "rmdir")]
    for owner, name in (*paths, (shutil, "rmtree"), (svc, "run"), (systemd, "run")):
        setattr(owner, name, before(getattr(owner, name)))


def program(values: dict[str, Any]) -> supervisor.Program:
    """A Program as JSON has it."""
    writable = tuple(Path(path) for path in values["writable"])
    made = {"command": tuple(values["command"]), "directory": Path(values["directory"]), "writable": writable}
    return supervisor.Program(**{**values, **made})


def call(function: str, *arguments: Any) -> Any:
    """Call one function of the door; `arguments` as JSON has them."""
    if function == "update":
        one = program(arguments[0])
        return supervisor.update(LAYOUT.program(one.name), supervisor.files(LAYOUT, one))
    if function == "install":
        return supervisor.install(LAYOUT, program(arguments[0]))
    if function == "at_each_step":
        return at_each_step(*arguments)
    if function == "sh":
        return run(["sh", "-c", f"exec 2>/dev/null; {arguments[0]}"], check=False, timeout=120).stdout.strip()
    answer = getattr(supervisor, function)(LAYOUT, *arguments)
    if function == "status":
        return {name: dataclasses.asdict(one) for name, one in answer.items()}
    return answer


def at_each_step(first: Calls, killed: Calls, then: Calls, look: str) -> list[list[Any]]:
    """Do `killed`, ended by SIGKILL before its first step of touching the world, then its second, until it ends alone.

    Each time `first` goes before it; the answers to `then`, and what the shell command `look` writes, are returned.
    """
    found = []
    for step in itertools.count(1):
        for words in first:
            call(*words)
        child = os.fork()
        if not child:
            count(step)
            for words in killed:
                call(*words)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found.append([*(call(*words) for words in then), run(["sh", "-c", look], check=False).stdout])
        if not os.WIFSIGNALED(status):
            assert status == 0, "see the standard error above"
            break
    return found


def answer(line: str) -> Any:
    """What the calls of a line return; the text of a traceback when one of them raises."""
    try:
        return [call(*words) for words in json.loads(line)]
    except Exception:  # noqa: BLE001 - whoever asks is told of it
        return traceback.format_exc()


if __name__ == "__main__":
    for request in sys.stdin:
        print(json.dumps(answer(request)), flush=True)
