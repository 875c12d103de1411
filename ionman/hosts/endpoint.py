"""The section `metrics` of a host's desired state: where the host tells its figures."""

import re
from dataclasses import dataclass

from ionman.hosts import supervisor
from ionman.hosts.section import Section

LOOPBACK = "127.0.0.1"
PORT = 8445


@dataclass(frozen=True)
class Metrics:
    """Where a host tells its figures; nowhere with an empty address."""

    address: str = LOOPBACK
    port: int = PORT
    supervisor: str = supervisor.DEFAULT


def read(section: Section) -> Metrics:
    """The section `metrics`."""
    kinds = re.compile("|".join(supervisor.NAMES))
    made = Metrics(
        address=section.text("address", re.compile(r"[0-9A-Fa-f.:]*"), LOOPBACK),
        port=section.whole("port", 1, 65535, PORT),
        supervisor=section.text("supervisor", kinds, supervisor.DEFAULT),
    )
    section.done()
    return made
