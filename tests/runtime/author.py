"""A service's author at work: writes a service's files, starts it in every way, waits, calls and ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ionman import control, process
from ionman.call import Account, Client
from ionman.errors import Unavailable
from tests.crossbar import Crossbar

ROOT = Path(__file__).parents[2]
SHELL = """#!/usr/bin/env python3
import ionman

class MicroService(ionman.microservice):
    Modules = {modules!r}

application = MicroService()
"""
HEAD = """
from IonmanClass import RegistrationsClass, SubscriptionsClass, procedure, topic

class Registrations(RegistrationsClass):
"""
PATIENCE = 60.0  # s; two busy cores


def indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.strip("\n").splitlines())


class Running:
    """One started process: `said()` is what it wrote, `ask()` what its control socket says."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path, socket: Path) -> None:
        self.popen = popen
        self.log = log
        self.socket = socket

    def said(self) -> str:
        return self.log.read_text()

    def ask(self) -> dict[str, Any]:
        return control.ask(self.socket)

    def until(self, state: str) -> dict[str, Any]:
        """Wait for a state of the control socket."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                document = self.ask()
            except Unavailable:
                document = {"state": "none"}
            if document["state"] == state:
                return document
            assert self.popen.poll() is None, f"it ended with {self.popen.returncode}:\n{self.said()}"
            assert time.monotonic() < deadline, f"{document}\n{self.said()}"
            time.sleep(0.05)

    def until_said(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.said():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE)


class Author:
    """A folder with a service for a router; everything started from here ends with `close`."""

    def __init__(self, folder: Path, router: Crossbar | None, name: str = "demo") -> None:
        self.folder = folder
        self.router = router
        self.file = folder / f"{name}.py"
        self._started: list[Running] = []
        (folder / "modules").mkdir(parents=True, exist_ok=True)

    def shell(self, *modules: str) -> "Author":
        self.file.write_text(SHELL.format(modules=list(modules)))
        self.file.chmod(0o755)
        return self

    def module(self, name: str, body: str, folder: str = "modules") -> "Author":
        """Write a module whose Registrations has `body`; one that begins with a class or an import stands as it is."""
        text = body.strip("\n") + "\n"
        whole = text.startswith(("class ", "import ", "from "))
        (self.folder / folder / f"{name}.py").write_text(text if whole else HEAD + indent(text))
        return self

    def configure(self, **changes: Any) -> "Author":
        """Write config.ini for the router, with `changes`; None leaves a key out."""
        keys: dict[str, Any] = {"realm": "ionman", "user": "myserviceusername", "password": "myservicepassword"}
        if self.router is not None:
            keys |= {"host": self.router.host, "port": self.router.port, "ca": self.router.ca}
        keys |= changes
        lines = [f"{key} = {value}\n" for key, value in keys.items() if value is not None]
        (self.folder / "config.ini").write_text("".join(lines))
        return self

    def environ(self, **extra: str) -> Mapping[str, str]:
        here = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        run = os.environ["XDG_RUNTIME_DIR"]  # the run's own, and short: a socket's path has 107 bytes
        plain = {"PATH": here, "HOME": str(self.folder), "LANG": "C.UTF-8"}
        return {**plain, "TMPDIR": str(self.folder), "XDG_RUNTIME_DIR": run, **extra}

    def start(self, *arguments: str | Path, **extra: str) -> Running:
        """Start in the foreground (or `arguments`), with a control socket and a log of its own."""
        number = len(self._started) + 1
        log, socket = self.folder / f"{number}.log", self.folder / f"{number}.sock"
        with log.open("wb") as out:
            popen = process.start(
                arguments or [self.file],
                env=self.environ(IONMAN_CONTROL=str(socket), **extra),
                stdout=out,
                cwd=self.folder,
                die_with_parent=True,
            )
        self._started.append(Running(popen, log, socket))
        return self._started[-1]

    def ready(self, *arguments: str | Path, **extra: str) -> Running:
        running = self.start(*arguments, **extra)
        running.until("ready")
        return running

    def run(self, *arguments: str, **extra: str) -> tuple[int, str]:
        """Run the service's file to its end: status and what it wrote."""
        done = process.run(
            [self.file, *arguments], env=self.environ(**extra), cwd=self.folder, check=False, timeout=PATIENCE
        )
        return done.returncode, done.stdout

    def caller(self, user: str = "alice", deadline: float = 20.0) -> Client:
        assert self.router is not None
        account = Account("ionman", user, self.router.users[user])
        return Client([self.router.address], account, ca=self.router.ca, deadline=deadline)

    def close(self) -> None:
        for running in self._started:
            if running.popen.poll() is None:
                running.popen.kill()
            running.popen.wait(PATIENCE)
