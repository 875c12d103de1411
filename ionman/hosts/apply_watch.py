"""The watch of a host's router: there when its section asks for it (docs/rolling.md)."""

import sys
from collections.abc import Callable
from pathlib import Path

from ionman.host import Step
from ionman.hosts import helper, supervisor
from ionman.hosts.helper import Helper
from ionman.hosts.layout import WATCH, Layout
from ionman.hosts.lock import Say
from ionman.hosts.state import Router
from ionman.hosts.supervisor import Program

MEMORY = 256  # MB


def program(layout: Layout, router: Router) -> Program:
    """How the watch is run: as the router's account, without any right but that."""
    others = (word for other in router.rolling.others for word in ("--other", other))
    return Program(
        name=WATCH,
        command=(
            *(str(Path(sys.prefix) / "bin/python"), "-m", "ionman.hosts.router_watch", "--root", str(layout.root)),
            *("--memory-limit", str(router.rolling.memory_limit), *others),
        ),
        directory=layout.root,
        user=layout.router_user,
        writable=(),
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        memory=MEMORY,
        drain_timeout=5,
        supervisor=router.supervisor,
        about=helper.about(),
    )


def plan(layout: Layout, router: Router, say: Say) -> tuple[tuple[Step, ...], Callable[[], None]]:
    """What has to happen, and what does it."""
    there = WATCH in helper.installed(layout)
    if not router.rolling.watch:
        steps = (Step("drain", WATCH, "it is not wanted"),) if there else ()
        return steps, lambda: remove(layout, say)

    def problem() -> str:
        return "" if supervisor.status(layout, [WATCH])[WATCH].pid else "it is down"

    one = Helper(layout, program(layout, router), problem, "watches the router")
    return (one.step(),), lambda: one.do(say)


def remove(layout: Layout, say: Say) -> None:
    """End the watch, if there is one."""
    if WATCH in helper.installed(layout):
        helper.remove(layout, WATCH, say)
