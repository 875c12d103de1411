"""The processes of a lab: hosts, forwards, the GitHub double and the guard; started when they do not run."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ionman import process
from ionman.errors import CommandFailed, Late
from ionman.lab import cgroup, forward, network, pids, place, releases, ssh

BOOT_TIMEOUT = 90.0
PREFERRED_PORTS = {"router": 8443}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def records(lab: place.Lab) -> Path:
    """Where the lab's processes are written down."""
    return lab.directory / "processes"


def group(lab: place.Lab, role: str) -> str:
    """The control group of the process `role`; what it boots has another, named after the host alone."""
    return f"{lab.name}/process-{role}"


def start(lab: place.Lab, role: str, arguments: Sequence[str | Path], fds: Sequence[int] = ()) -> None:
    """Start `python -m ARGUMENTS` as a process of the lab that outlives this one, ending one of that role first.

    Its output goes to a log of its own.
    """
    cgroup.clear(group(lab, role))
    logs = lab.directory / "log"
    logs.mkdir(mode=0o700, exist_ok=True)
    with (logs / role).open("wb") as log, cgroup.inside(group(lab, role)):
        child = process.start(
            [sys.executable, "-m", *arguments], cwd=Path("/"), stdout=log, env=_environment(), pass_fds=fds
        )
        pids.record(records(lab), role, child.pid)
        child.returncode = 0  # it is not waited for: it belongs to the lab from here on


def _environment() -> dict[str, str]:
    """What a lab process may know of the caller's environment: nothing but where programs are."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def running(lab: place.Lab, role: str) -> bool:
    """Whether the process written down as `role` lives."""
    return pids.alive(records(lab), role) != 0


def answers(lab: place.Lab, host: str, timeout: float = 2.0) -> bool:
    """Whether the host runs and its SSH server greets."""
    return running(lab, host) and network.greets(lab.namespace, lab.host(host).address, timeout=timeout)


def kill_host(lab: place.Lab, host: str) -> None:
    """End every process of a host at once, as pulling its plug would."""
    cgroup.clear(group(lab, host))
    cgroup.clear(f"{lab.name}/{host}")
    ssh.hang_up(lab, host)


def start_host(lab: place.Lab, host: str) -> None:
    """Boot a host, after ending whatever is left of it."""
    kill_host(lab, host)
    network.wait_gone(lab.namespace, f"vb-{host}")
    start(lab, host, ["ionman.lab.machine", lab.name, host])


def wait_host(lab: place.Lab, host: str, timeout: float = BOOT_TIMEOUT) -> None:
    """Wait until the host's SSH server greets.

    Raises `CommandFailed` with the end of its console when it ended instead, `Late` after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not answers(lab, host, 0.5):
        console = lab.directory / "log" / host
        text = console.read_text(errors="replace") if console.exists() else ""
        if not running(lab, host):
            raise CommandFailed(f"{host} of lab {lab.name}", 1, text)
        if time.monotonic() > deadline:
            raise Late(f"{host} of lab {lab.name} does not greet after {timeout:g} s", remedy=f"its console: {console}")
        time.sleep(0.1)


@contextmanager
def _listening(preferred: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(descriptor, port) of a listening socket on the first of the ports that is free, or on any."""
    for port in (*preferred, 0):
        try:
            listener = forward.listen(port)
        except OSError:
            continue
        with listener:
            yield listener.fileno(), listener.getsockname()[1]
            return
    raise Late("no port on 127.0.0.1 is free", remedy="close some connections")


def start_forward(lab: place.Lab, name: str) -> place.Lab:
    """Open the forward `name` of `lab.targets`, on the port it had if that is free; returns the lab with its port."""
    host, port = lab.targets[name]
    wishes = [each for each in (lab.forwards.get(name, 0), PREFERRED_PORTS.get(name, 0)) if each]
    with _listening(wishes) as (descriptor, there):
        lab = place.change(lab, forwards={**lab.forwards, name: there})
        address = lab.host(host).address
        arguments = ["ionman.lab.forward", str(descriptor), lab.namespace, address, str(port)]
        start(lab, f"forward-{name}", arguments, [descriptor])
    return lab


def end_forward(lab: place.Lab, name: str) -> place.Lab:
    """Close the forward `name`, which need not be there; returns the lab without it."""
    cgroup.clear(group(lab, f"forward-{name}"))
    targets = {one: target for one, target in lab.targets.items() if one != name}
    return place.change(lab, targets=targets, forwards={one: lab.forwards[one] for one in lab.forwards if one != name})


def start_github(lab: place.Lab, timeout: float = 20.0) -> place.Lab:
    """Start the double of GitHub's API, on the port it had if that is free; returns the lab with its URL.

    It serves the releases made of this checkout's examples. Raises `CommandFailed` when it does not start.
    """
    directory = lab.directory / "github"
    if (EXAMPLES / "demo-1.1.0").is_dir():  # not in an installed ionman
        releases.demo_releases(EXAMPLES, directory / "releases")
    (directory / "state").unlink(missing_ok=True)
    before = lab.github.get("url", "").rpartition(":")[2]
    with _listening([int(before)] if before else []) as (_, port):
        pass  # free just now, so the double can have it
    arguments: list[str | Path] = ["ionman.lab.github", "--port", str(port)]
    arguments += ["--releases", directory / "releases", "--state", directory / "state"]
    start(lab, "github", arguments)
    deadline = time.monotonic() + timeout
    while not (directory / "state").exists():
        if time.monotonic() > deadline or not running(lab, "github"):
            text = (lab.directory / "log" / "github").read_text(errors="replace")
            raise CommandFailed(f"the GitHub double of lab {lab.name}", 1, text)
        time.sleep(0.05)
    return place.change(lab, github={"url": json.loads((directory / "state").read_text())["url"]})
