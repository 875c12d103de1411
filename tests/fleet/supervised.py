"""A program on a lab host, under one supervisor: the door called there, and what is left of it."""

import io
import json
import shlex
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

HOST = "host1"
NAME = "try.ab12cd34.1"
STATE = "/var/lib/ionman/state/try"
LOG = f"/var/log/ionman/{NAME}"
PLACE = "/opt/door"
HERE = Path(__file__).parent
PATIENCE = 30.0  # s
# Everything that a supervisor may leave behind.
LEFT = f"sh {PLACE}/left.sh"
_LEFT = f"""
ls -A /etc/systemd/system /etc/systemd/system/multi-user.target.wants /etc/service /var/lib/ionman/supervise /run/ionman
find /run/systemd -name 'ionman-*'
systemctl list-units --all --plain --no-legend 'ionman-*'
pgrep -fa '^(/usr/bin/python3 (-IS )?[^ ]*/(standin|relay).py|supervise {NAME})'
"""


def prepare(lab: Standing) -> None:
    """Have the door, the stand-in and the accounts on the host."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for package in (ionman, jinja2, markupsafe):
            place = Path(str(package.__file__)).parent
            tar.add(place, place.name, filter=lambda one: None if "__pycache__" in one.name else one)
        for name in ("door.py", "standin.py"):
            tar.add(HERE / name, name)
        script = tarfile.TarInfo("left.sh")
        script.size = len(_LEFT)
        tar.addfile(script, io.BytesIO(_LEFT.encode()))
    unpack = f"mkdir -p {PLACE} && tar -x -C {PLACE} && chown -R root: {PLACE}"
    users = "useradd -r ionman-log && useradd -r ionman-try && install -d -o ionman-try " + STATE
    declared = "echo d /run/ionman >/etc/tmpfiles.d/ionman.conf && systemd-tmpfiles --create"
    folders = f"mkdir -p /var/lib/ionman/supervise && {declared}"
    process.run(lab.ssh_command(HOST, f"{unpack} && {users} && {folders}"), stdin=data.getvalue(), timeout=60)


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

    lab: Standing
    kind: str
    before: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.connection = self.lab.connect(HOST)
        self.before = self.left()

    def said(self, command: str) -> str:
        """What a command on the host writes."""
        return str(self.connection.run(command, hide=True, warn=True, timeout=120).stdout).strip()

    def reboot(self) -> None:
        self.connection.close()
        self.lab.reboot(HOST)
        self.connection = self.lab.connect(HOST)

    def calls(self, *calls: list[Any]) -> list[Any]:
        """What functions of the door return."""
        words = f"/usr/bin/python3 {PLACE}/door.py {shlex.quote(json.dumps(calls))}"
        done = self.connection.run(words, hide=True, warn=True, timeout=240)
        assert done.exited == 0, done.stderr
        answers: list[Any] = json.loads(done.stdout)
        return answers

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
        self.connection.close()
