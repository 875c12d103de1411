"""A program on a lab host, under one supervisor: the door called there, and what is left of it."""

import io
import json
import select
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

import ionman
from ionman import process
from ionman.lab.hosts import Standing

NAME = "try.ab12cd34.1"
STATE = "/var/lib/ionman/state/try"
LOG = f"/var/log/ionman/{NAME}"
PLACE = "/opt/door"
HERE = Path(__file__).parent
PATIENCE = 30.0  # s
LONGEST = 240.0  # s that one request may take
# Everything that a supervisor may leave behind.
LEFT = f"sh {PLACE}/left.sh"
_LEFT = f"""
ls -A /etc/systemd/system /etc/systemd/system/multi-user.target.wants /etc/service /var/lib/ionman/supervise /run/ionman
find /run/systemd -name 'ionman-*'
systemctl list-units --all --plain --no-legend 'ionman-*'
pgrep -fa '^(/usr/bin/python3 (-IS )?[^ ]*/(standin|relay).py|supervise {NAME})'
"""


class Host:
    """A lab host with the door, which stays open: to ask it costs no start of a process."""

    def __init__(self, lab: Standing, name: str) -> None:
        self.lab, self.name = lab, name
        self._door: subprocess.Popen[bytes] | None = None
        self._prepare()

    def _prepare(self) -> None:
        """Have the door, the stand-in and the accounts on the host."""
        unpack = f"mkdir -p {PLACE} && tar -x -C {PLACE} && chown -R root: {PLACE}"
        users = "useradd -r ionman-log && useradd -r ionman-try && install -d -o ionman-try " + STATE
        declared = "echo d /run/ionman >/etc/tmpfiles.d/ionman.conf && systemd-tmpfiles --create"
        folders = f"mkdir -p /var/lib/ionman/supervise && {declared}"
        command = self.lab.ssh_command(self.name, f"{unpack} && {users} && {folders}")
        process.run(command, stdin=_archive(), timeout=60)

    def calls(self, *calls: list[Any]) -> list[Any]:
        """What functions of the door return, and `["sh", COMMAND]` writes."""
        door = self._opened()
        assert door.stdin is not None
        assert door.stdout is not None
        door.stdin.write(json.dumps(calls).encode() + b"\n")
        door.stdin.flush()
        ready, _, _ = select.select([door.stdout], [], [], LONGEST)
        assert ready, f"{self.name} has not answered within {LONGEST:g} s: {calls}"
        answers = json.loads(door.stdout.readline())
        assert isinstance(answers, list), answers
        return answers

    def _opened(self) -> subprocess.Popen[bytes]:
        if self._door is None:
            command = self.lab.ssh_command(self.name, f"/usr/bin/python3 {PLACE}/door.py")
            self._door = process.start(command, stdin=process.PIPE, stdout=process.PIPE, stderr=None)
        return self._door

    def close(self) -> None:
        if self._door is not None:
            self._door.kill()
            self._door.communicate()
            self._door = None

    def reboot(self) -> None:
        self.close()
        self.lab.reboot(self.name)


def _archive() -> bytes:
    """What the host needs, as a tar file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for package in (ionman, jinja2, markupsafe):
            place = Path(str(package.__file__)).parent
            tar.add(
                place, place.name, filter=lambda one: None if one.name.endswith(("__pycache__", ".mypy_cache")) else one
            )
        for name in ("door.py", "standin.py"):
            tar.add(HERE / name, name)
        script = tarfile.TarInfo("left.sh")
        script.size = len(_LEFT)
        tar.addfile(script, io.BytesIO(_LEFT.encode()))
    return data.getvalue()


def until(what: str, true: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """What `true` returns, once it is true."""
    deadline = time.monotonic() + patience
    while not (answer := true()):
        assert time.monotonic() < deadline, f"not within {patience:g} s: {what}"
        time.sleep(0.1)
    return answer


@dataclass
class Supervised:
    """One program on the host under `kind`, not installed yet."""

    host: Host
    kind: str
    before: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.before = self.left()

    def said(self, command: str) -> str:
        """What a command on the host writes."""
        return str(self.call("sh", command))

    def calls(self, *calls: list[Any]) -> list[Any]:
        """What functions of the door return."""
        return self.host.calls(*calls)

    def call(self, function: str, *arguments: Any) -> Any:
        (answer,) = self.calls([function, *arguments])
        return answer

    def program(self, mode: str = "ready", **other: Any) -> dict[str, Any]:
        values = {
            "name": NAME,
            "command": ["/usr/bin/python3", f"{PLACE}/standin.py", "it's", 'a "$HOME" %h\\'],
            "directory": PLACE,
            "user": "ionman-try",
            "writable": [STATE],
            "environment": {
                "HOME": STATE,
                "MODE": mode,
                "IONMAN_INSTANCE": NAME,
                "GREETING": 'two "words"; $HOME 5% \\',
            },
            "drain_timeout": 20,
            "about": {"service": "try", "drain_timeout": 20},
            "supervisor": self.kind,
            "notify": True,
        }
        return {**values, **other}

    def start(self, mode: str = "ready", **other: Any) -> int:
        """Install and start it; its process."""
        self.said(f"rm -f {STATE}/*")
        self.calls(["install", self.program(mode, **other)], ["enable", NAME], ["await_supervised", [NAME]])
        return self.pid()

    def pid(self, other_than: int = 0) -> int:
        """Its process, once that is a stand-in which has noted what it may do."""

        def process_id() -> int:
            pid = int(self.call("status", [NAME])[NAME]["pid"])
            runs = pid != other_than and f"{PLACE}/standin.py" in self.said(f"tr '\\0' ' ' </proc/{pid}/cmdline")
            return pid if runs else 0

        return int(until("it runs", process_id))

    def up(self) -> bool:
        return bool(self.call("status", [NAME])[NAME]["up"])

    def log(self) -> str:
        return "\n".join(self.call("log_tail", NAME, 200))

    def left(self) -> str:
        return self.said(LEFT)

    def end(self) -> None:
        """Drain and remove it; nothing may be left."""
        self.calls(["sweep"], ["drain", {NAME: 2.0}], ["remove", [NAME]])
        self.said(f"rm -rf /run/ionman/{NAME} {LOG}")
        left = self.left()
        assert left == self.before
