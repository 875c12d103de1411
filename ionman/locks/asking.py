"""From the processes of ansible-playbook to the one that holds the lock for it; starts that."""

import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman import lock, process
from ionman.errors import IonmanError, Late, NotPossible
from ionman.locks import place

STARTING = 30.0  # s until the holder can be asked; it takes 0.5 s on a machine that has nothing else to do
TAKING = 150.0  # s beyond those that may be waited; each router has 16 s, and a holder that falls silent 20
ASKING = 20.0  # s; it answers at once, but for what it tells the routers

Json = dict[str, Any]
Say = Callable[[str], None]


def take(access: Mapping[str, Any], what: str, wait: float, say: Say, main: int) -> Json:
    """Take the lock for the run whose main process is `main`, or see that it is held; returns the holder's `state()`.

    `access` has routers (a list), realm, user, password and ca (a path, or empty). `say` gets lines of progress.
    Raises `IonmanError` when there is no way to hold it.
    """
    folder = place.around() or _start(access, what, main)
    return _ask(folder, {"do": "take", "wait": wait}, timeout=wait + TAKING, say=say)


def state() -> Json | None:
    """{"state", "why", "routers", "warnings", "owner", "asked"} of this run's lock; None when none was ever taken.

    `asked` counts how often the run asked for the lock.
    """
    folder = place.around()
    return _ask(folder, {"do": "state"}, timeout=ASKING) if folder else None


def held() -> str:
    """Why this run must not go on to its next host; empty when it may, as when it never took a lock."""
    try:
        found = state()
    except IonmanError as error:
        return error.message
    return lock.objection(found) if found else ""


def tell(topic: str, document: Mapping[str, Any]) -> list[str]:
    """Publish `ionman.deploy.<topic>` on the routers where the lock is held; returns which. Never fails."""
    try:
        folder = place.around()
        asked = {"do": "tell", "topic": topic, "document": dict(document)}
        return list(_ask(folder, asked, timeout=ASKING)["told"]) if folder else []
    except IonmanError:
        return []


def end(topic: str, document: Mapping[str, Any]) -> None:
    """Give the lock of this very process back, after a last event unless there was one. Never fails."""
    folder = place.of(os.getpid())
    if folder is None or not folder.is_dir():
        return
    try:
        _ask(folder, {"do": "end", "topic": topic, "document": dict(document)}, timeout=ASKING)
    except IonmanError:
        return  # the holder is gone, or will go with this process


def deploy() -> Json:
    """Which run this is and who started it, for records: {"id", "who", "what"}, the same in all its processes."""
    try:
        found = state()
    except IonmanError:
        found = None
    if found:
        return {key: str(found["owner"][key]) for key in ("id", "who", "what")}
    fields = place.stat(os.getppid())
    return {"id": f"{socket.gethostname()}-{os.getppid()}-{fields[19] if fields else 0}", "who": _who(), "what": ""}


def _start(access: Mapping[str, Any], what: str, main: int) -> Path:
    folder = place.of(main)
    if folder is None:
        raise NotPossible("ansible-playbook has ended", remedy="run it again")
    if not hasattr(os, "pidfd_open"):
        raise NotPossible("the lock is kept on Linux only", remedy="deploy from there, or without one: -e lock_user=")
    host, now = socket.gethostname(), datetime.now(UTC)
    by = lock.Owner(_who(), host, f"{now:%Y-%m-%dT%H:%M:%SZ}", what, f"{now:%Y%m%dT%H%M%SZ}-{host}-{main}", main)
    pidfd = os.pidfd_open(main)
    try:
        asked = {**access, "owner": asdict(by), "folder": str(folder), "pidfd": pidfd}
        _launch(json.dumps(asked), pidfd)
    finally:
        os.close(pidfd)
    return folder


def _launch(asked: str, pidfd: int) -> None:
    """Start the holder, and wait until it can be asked. The password goes in on standard input."""
    command = [sys.executable, "-P", "-m", "ionman.command.main", "lock", "hold"]
    child = process.start(command, cwd=Path("/"), stdin=process.PIPE, stdout=process.PIPE, pass_fds=[pidfd])
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        child.stdin.write(asked.encode() + b"\n")
        child.stdin.close()
        said, ends = b"", time.monotonic() + STARTING
        while not said.endswith(b"ready\n"):
            source = child.stdout.fileno()
            part = os.read(source, 65536) if place.readable([source], ends - time.monotonic()) else b""
            if not part:
                child.kill()
                child.wait()
                why = said.decode(errors="replace").strip() or f"it was not ready within {STARTING:g} s"
                raise NotPossible(f"the process that holds the lock cannot be started: {why}")
            said += part
    child.returncode = 0  # it outlives this process: Popen would warn of a child that still runs


def _ask(folder: Path, asked: Json, timeout: float, say: Say | None = None) -> Json:
    """The holder's answer; lines of progress go to `say`."""
    try:
        with place.connect(folder, timeout) as connection, connection.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps(asked) + "\n")
            lines.flush()
            return _answer(lines, say)
    except TimeoutError as error:
        raise Late(f"the process that holds the lock did not answer within {timeout:g} s") from error
    except (OSError, ValueError) as error:
        raise NotPossible("the process that held the lock is gone", remedy="run it again") from error


def _answer(lines: Iterable[str], say: Say | None) -> Json:
    for text in lines:
        answer: Json = json.loads(text)
        if "say" not in answer:
            return answer
        if say:
            say(str(answer["say"]))
    raise NotPossible("the process that held the lock is gone", remedy="run it again")


def _who() -> str:
    name = os.environ.get("SUDO_USER") or getpass.getuser()
    return f"{name}@{socket.gethostname()}"
