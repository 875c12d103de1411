"""`./demo.py`, `./demo.py background`, `stop` and `status`."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ionman import control, naming, process
from ionman.errors import ConfigurationError, InputError, IonmanError, Late, Unavailable
from ionman.runtime import boot, modules, place
from ionman.runtime import log as lines
from ionman.runtime.launch import STOPS
from ionman.settings import Settings

if TYPE_CHECKING:
    from ionman.runtime.application import microservice

READY_SECONDS = 30.0
KILL_SECONDS = 5.0  # after the drain deadline
NOT_RUNNING = 3  # as systemctl(1) and init scripts (LSB) have it
USAGE = """usage: {name} [background|stop|status]

  (nothing)   run in the foreground; Ctrl-C drains and ends it
  background  start under twistd with a pid file and a log file, and wait until it is ready
  stop        drain the one in the background and wait until it is gone
  status      show how the one in the background is (exit status 0 ready, 1 not ready yet, 3 not running)"""


def main(application: "microservice", arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command that `arguments` name and return its exit status; raises `IonmanError`."""
    if list(arguments) in (["-h"], ["--help"]):
        print(USAGE.format(name=application.file.name))  # noqa: T201 - the answer
        return 0
    verbs = {"background": _background, "stop": _stop, "status": _status}
    if not arguments:
        return _foreground(application, environ)
    if len(arguments) > 1 or arguments[0] not in verbs:
        raise InputError(f"{' '.join(arguments)!r} is not understood", remedy=USAGE.format(name=application.file.name))
    return verbs[arguments[0]](application, environ)


def _checked(application: "microservice", environ: Mapping[str, str]) -> Settings:
    """Check configuration and modules before anything is started."""
    chosen = boot.configured(application.file, environ)
    naming.instance(chosen.service, environ)
    application.catalogue()
    if not modules.assigned(application.file, "application"):
        raise ConfigurationError(
            f"{application.file} has no `application`, by which twistd knows it",
            remedy="end the file with `application = MicroService()`",
        )
    return chosen


def _twistd(*arguments: str | Path) -> list[str | Path]:
    """Return the command for the twistd of this Python, wherever its script may be, and whatever the folder holds."""
    return [sys.executable, "-P", "-m", "ionman.runtime.launch", *arguments]


def _foreground(application: "microservice", environ: Mapping[str, str]) -> int:
    _checked(application, environ)
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the launched process is ready for them
    process.become(_twistd("-n", "--pidfile=", "-y", application.file), env=environ)


def _background(application: "microservice", environ: Mapping[str, str]) -> int:
    chosen = _checked(application, environ)
    pidfile = place.pidfile(chosen)
    lock = _lock(chosen, environ)
    if pid := lock.holder():
        raise Late(f"{chosen.service} runs already as process {pid}", remedy=f"{application.file} stop")
    _writable(pidfile, chosen.logfile)
    read_end, write_end = os.pipe()
    command = _twistd(f"--pidfile={pidfile}", f"--rundir={application.file.parent}", "-y", application.file)
    started = process.start(
        command, env=dict(environ) | {"IONMAN_NOTIFY": str(write_end)}, stderr=None, pass_fds=[write_end]
    )
    os.close(write_end)
    if status := started.wait():
        return status
    return _report(_wait(read_end), chosen, lock)


def _writable(pidfile: Path, logfile: Path) -> None:
    """Check the files of an instance in the background while somebody is there to be told."""
    os.close(lines.open_file(logfile))
    try:
        pidfile.touch()
        # Nobody holds the lock, so whatever process an old file names is another's.
        pidfile.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"{pidfile}: the pid file cannot be written: {error.strerror}",
            remedy="set pidfile to a place that the service's user may write",
        ) from error


def _wait(read_end: int) -> dict[str, Any] | None:
    """Return the instance's word on its start (status and message), {} if it died, None if it says nothing in time."""
    data = b""
    deadline = time.monotonic() + READY_SECONDS
    while not data.endswith(b"\n"):
        if not select.select([read_end], [], [], max(deadline - time.monotonic(), 0))[0]:
            return None
        part = os.read(read_end, 65536)
        if not part:
            return {}
        data += part
    said: dict[str, Any] = json.loads(data)
    return said


def _report(said: dict[str, Any] | None, chosen: Settings, lock: place.Lock) -> int:
    if said is None:
        message = "it says nothing"
        with suppress(Unavailable):
            message = control.ask(_control(chosen, os.environ))["message"]
        raise Late(
            f"{chosen.service} is not ready after {READY_SECONDS:g} s: {message}",
            remedy=f"it keeps trying in the background; see {chosen.logfile}, or end it with stop",
        )
    if not said:
        raise IonmanError(f"{chosen.service} ended while it started", remedy=f"see {chosen.logfile}")
    if said["status"]:
        _gone(lock, KILL_SECONDS)
        sys.stderr.write(f"{chosen.service}: {said['message']}\n")
        return int(said["status"])
    print(f"{chosen.service}: {said['message']}; log {chosen.logfile}")  # noqa: T201 - the answer
    return 0


def _control(chosen: Settings, environ: Mapping[str, str]) -> Path:
    return place.control_path(chosen, environ, background=True, pid=0)


def _lock(chosen: Settings, environ: Mapping[str, str]) -> place.Lock:
    return place.Lock(_control(chosen, environ))


def _stop(application: "microservice", environ: Mapping[str, str]) -> int:
    chosen = boot.configured(application.file, environ)
    lock = _lock(chosen, environ)
    pid = lock.holder()
    if not pid:
        print(f"{chosen.service}: not running")  # noqa: T201 - the answer
        return 0
    _signal(lock, pid, signal.SIGTERM)
    if not _gone(lock, chosen.drain_timeout + KILL_SECONDS):
        _signal(lock, pid, signal.SIGKILL)
        _gone(lock, KILL_SECONDS)
        raise Late(f"{chosen.service} did not end by itself and was killed", remedy=f"see {chosen.logfile}")
    print(f"{chosen.service}: stopped (process {pid})")  # noqa: T201 - the answer
    return 0


def _signal(lock: place.Lock, pid: int, number: signal.Signals) -> None:
    """Signal the holder of the lock, and no process that got its id after it ended (pidfd_open(2))."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if lock.holder() == pid:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _gone(lock: place.Lock, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while lock.holder(0) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _status(application: "microservice", environ: Mapping[str, str]) -> int:
    chosen = boot.configured(application.file, environ)
    try:
        said = control.ask(_control(chosen, environ))
    except Unavailable:
        if pid := _lock(chosen, environ).holder():
            print(f"{chosen.service}: process {pid} does not answer")  # noqa: T201 - the answer
            return 1
        print(f"{chosen.service}: not running")  # noqa: T201 - the answer
        return NOT_RUNNING
    print(_sentence(said))  # noqa: T201 - the answer
    return 0 if said["state"] == "ready" else 1


def _sentence(said: Mapping[str, Any]) -> str:
    first = f"{said['service']}: {said['state']}, process {said['pid']} since {said['since']}"
    routers = [
        f"  router {name}: {one['state']}" + (f" ({one['error']})" if one["error"] else "")
        for name, one in said["routers"].items()
    ]
    calls = [
        f"  {uri}: {one['calls']} calls, {one['errors']} errors, {one['latency_ms']['mean']:g} ms"
        for uri, one in said["stats"].items()
    ]
    return "\n".join([f"{first}, {said['in_flight']} in flight", *routers, *calls])
