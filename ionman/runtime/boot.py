"""Puts an instance into the process that twistd has started: its log, its lock, its signals and its exit status."""

import atexit
import json
import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService, Service
from twisted.internet import reactor as _reactor
from twisted.logger import ILogObserver, Logger

from ionman import naming, settings
from ionman.errors import IonmanError
from ionman.runtime import alarm, place
from ionman.runtime import log as lines
from ionman.runtime.instance import InstanceService
from ionman.runtime.launch import STOPS, stop_early
from ionman.runtime.lifecycle import State
from ionman.runtime.notify import Notify

if TYPE_CHECKING:
    from ionman.runtime.application import microservice

reactor: Any = _reactor  # its type is many interfaces at once
log = Logger(namespace="ionman")
LAST_SECONDS = 1.5


def configured(file: Path, environ: Mapping[str, str]) -> settings.Settings:
    """Read the configuration of the service `file`: IONMAN_CONFIG, else config.ini beside it."""
    path = Path(environ.get("IONMAN_CONFIG") or file.parent / "config.ini")
    return settings.read(path.absolute(), settings.service_name(file), environ)


def prepare(application: "microservice", collection: MultiService) -> None:
    """Make the instance of `application` and put it into `collection`; raises `IonmanError` for what is wrong."""
    stop_early()
    environ = dict(os.environ)
    chosen = configured(application.file, environ)
    found = application.catalogue()
    who = naming.instance(chosen.service, environ)
    observer = lines.Observer(lambda: who.name, debug=chosen.debug)
    control = place.control_path(chosen, environ, background="IONMAN_NOTIFY" in environ, pid=os.getpid())
    lock = place.Lock(control)
    lock.acquire()
    stop_early(lock.release, lambda: control.unlink(missing_ok=True))
    process = _Process(chosen, observer, lock, control, environ)
    try:
        instance = InstanceService(chosen, who, place.release(application.file.parent), found, process)
    except IonmanError:
        lock.release()
        raise
    process.instance = instance
    application.setComponent(ILogObserver, observer)
    for service in (process, instance):
        service.setServiceParent(collection)


class _Process(Service):
    """What belongs to the process rather than to the instance."""

    instance: InstanceService
    clock = reactor

    def __init__(
        self,
        chosen: settings.Settings,
        observer: lines.Observer,
        lock: place.Lock,
        control: Path,
        environ: Mapping[str, str],
    ) -> None:
        self._settings = chosen
        self._observer = observer
        self._lock = lock
        self._control = control
        self.environ = environ
        self._notify = int(environ.get("IONMAN_NOTIFY") or -1)
        os.environ.pop("IONMAN_NOTIFY", None)
        self._supervisor = Notify(os.environ)
        self._status = 0
        self._told = self._stopping = False

    def privilegedStartService(self) -> None:  # noqa: N802
        """twistd has forked by now, if it does: the process id and the standard output are what they will be."""
        self._observer.open(lines.destination(self._settings.logfile))
        lines.bridge(debug=self._settings.debug)
        self._lock.sign()
        self._control.unlink(missing_ok=True)
        self.instance.listen(str(self._control))

    def startService(self) -> None:  # noqa: N802
        """Take the signals over once the reactor has taken them."""
        super().startService()
        reactor.callWhenRunning(self._take_signals)
        reactor.addSystemEventTrigger("after", "shutdown", self._lock.release)

    def _take_signals(self) -> None:
        """twistd's own would end the process by the signal, where a supervisor wants to see 0."""
        for number in STOPS:
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        # A method that is running now holds the reactor up, and with it the drain: its time is counted from here.
        alarm.end_within(0.0 if self._told else self._settings.drain_timeout, self.instance.seal)
        self._told = True
        reactor.callFromThread(self._stop_now, signal.Signals(number).name)

    def _stop_now(self, name: str) -> None:
        log.info("{name}", name=name)
        if not self._stop_reactor():
            self.instance.hurry("was told twice")

    def _stop_reactor(self) -> bool:
        """Stop the reactor, once; whether it was this time. It may be some turns before the instance hears of it."""
        if self._stopping or not reactor.running:
            return False
        self._stopping = True
        reactor.stop()
        return True

    def told(self, state: State, message: str) -> None:
        """Tell the supervisor how it is, and who waits for a start in the background that it has succeeded."""
        self._supervisor.told(state, message)
        if state is State.READY:
            self._report({"status": 0, "message": f"ready as {self.instance.name}, process {os.getpid()}"})

    def end(self, error: IonmanError) -> None:
        """End the process with the error's message and status."""
        log.error("{error}", error=error)
        self._report({"status": error.status, "message": str(error)})
        # twistd returns 0 whenever its reactor has stopped; what runs last decides the status. The log needs no flush.
        self._status = error.status
        atexit.register(os._exit, error.status)
        if self.instance.running:
            reactor.callLater(0, self._stop_reactor)

    def gone(self) -> None:
        """End within a moment, whatever threads of the modules still run: Twisted and Python would wait for them."""
        last = threading.Timer(LAST_SECONDS, self._leave)
        last.daemon = True
        last.start()

    def _leave(self) -> None:
        self._lock.release()
        os._exit(self._status)

    def _report(self, message: dict[str, Any]) -> None:
        if self._notify >= 0:
            os.write(self._notify, json.dumps(message).encode() + b"\n")
            os.close(self._notify)
            self._notify = -1
