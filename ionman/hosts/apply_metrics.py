"""The metrics of a host's desired state: the endpoint that tells its figures (docs/metrics.md)."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ionman.host import Step
from ionman.hosts import helper, port, supervisor
from ionman.hosts.endpoint import Metrics
from ionman.hosts.health import ANY
from ionman.hosts.helper import Helper
from ionman.hosts.layout import METRICS, Layout
from ionman.hosts.lock import Say
from ionman.hosts.supervisor import Program

MEMORY = 256  # MB
# To open the sockets of instances and router, and to start what talks to the network as an account of its own.
RIGHTS = ("dac_override", "setgid", "setpcap", "setuid")


def program(layout: Layout, wanted: Metrics) -> Program:
    """How the endpoint is run."""
    command = (str(helper.command()), "metrics", "serve", "--address", wanted.address, "--port", str(wanted.port))
    front = ("--user", layout.metrics_user) if layout.metrics_user else ()
    return Program(
        name=METRICS,
        command=(*command, "--root", str(layout.root), *front),
        directory=layout.root,
        user="root" if layout.confined else None,
        writable=(),
        environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        memory=MEMORY,
        drain_timeout=5,
        supervisor=wanted.supervisor,
        rights=RIGHTS,
        about={**helper.about(), "address": wanted.address, "port": wanted.port},
    )


def problem(about: Mapping[str, Any], timeout: float = 2.0) -> str:
    """Why the endpoint does not answer; empty when it does."""
    address, at = about["address"], about["port"]
    connection = http.client.HTTPConnection(ANY.get(address, address), at, timeout=timeout)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"http://{address}:{at}/: {error}"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"http://{address}:{at}/ answers {status}"


@dataclass(frozen=True)
class DoingMetrics:
    """The endpoint, made what it should be."""

    layout: Layout
    wanted: Metrics
    say: Say

    def steps(self) -> tuple[Step, ...]:
        """What has to happen; refuses a port that somebody else has."""
        if not self.wanted.address:
            there = METRICS in helper.installed(self.layout)
            return (Step("drain", METRICS, "it is not wanted"),) if there else ()
        supervisor.check(self.layout, self.wanted.supervisor)
        about = supervisor.about(self.layout, METRICS)
        ours = (about.get("address"), about.get("port")) == (self.wanted.address, self.wanted.port)
        if not ours and not port.free(self.wanted.address, self.wanted.port):
            raise helper.refuse_taken(f"metrics.port: {self.wanted.port}", port.holder(self.wanted.port))
        return (self._helper.step(),)

    def all(self) -> None:
        """Do it."""
        if self.wanted.address:
            self._helper.do(self.say)
        elif METRICS in helper.installed(self.layout):
            helper.remove(self.layout, METRICS, self.say)

    @property
    def _helper(self) -> Helper:
        made = program(self.layout, self.wanted)
        where = f"answers on {self.wanted.address}:{self.wanted.port}"
        return Helper(self.layout, made, lambda: problem(made.about), where)
