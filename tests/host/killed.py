"""Does something to a host and ends by SIGKILL before step number LAST: `killed.py ROOT LAST [rollback]`.

When it is not killed, because there are not so many, it ends with the number of steps as its last line. The desired
state comes on standard input; with `rollback` the service is rolled back instead.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ionman.hosts import record
from ionman.hosts.converge import converge
from ionman.hosts.layout import Layout
from ionman.hosts.outcome import Asked
from ionman.hosts.rollback import rollback
from ionman.hosts.state import read
from ionman.hosts.supervisors import svc
from ionman.process import run

EDGES = (
    (Path, "rename"),
    (Path, "replace"),
    (Path, "symlink_to"),
    (Path, "touch"),
    (Path, "unlink"),
    (Path, "rmdir"),
    (shutil, "rmtree"),
    (svc, "run"),
    (record, "_append"),
)


class Steps:
    """Counts what touches the world."""

    def __init__(self, last: int) -> None:
        self._last = last
        self.done = 0

    def before(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            looks = act is run and Path(arguments[0][0]).name in ("svstat", "svok")
            if not looks:
                self.done += 1
                if self.done == self._last:
                    os.kill(os.getpid(), signal.SIGKILL)
            return act(*arguments, **named)

        return counted


steps = Steps(int(sys.argv[2]))
for owner, name in EDGES:
    setattr(owner, name, steps.before(getattr(owner, name)))
layout = Layout(Path(sys.argv[1]))
if sys.argv[3:] == ["rollback"]:
    rollback("demo", layout, Asked(print, wait=20))
else:
    converge(read(sys.stdin.read()), layout, check=False, wait=20, say=print)
print(steps.done)
