"""The figures of a router and whether it is well: a real Crossbar on a host of its own, and a real instance's place."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ionman import certificate, process
from ionman.call import Account
from ionman.hosts import supervisor
from ionman.hosts.layout import ROUTER
from ionman.metering.gather import Gathering
from ionman.metrics import Snapshot, answer, exposition
from ionman.naming import probe
from tests.callee import Callee
from tests.crossbar import CROSSBAR
from tests.host.conftest import HURRIED, Host
from tests.metrics.reading import Figures

SCANNER = HURRIED
URI = "app.demo.method1"


@pytest.fixture
def ca(host: Host) -> Path:
    """A host with a real router, on which the service demo is expected; the authority that it is proven by."""
    authority = certificate.authority()
    pair = certificate.leaf(authority, ["localhost", "127.0.0.1"])
    host.certificate.parent.mkdir(parents=True)
    host.certificate.write_bytes(pair.certificate)
    host.certificate.with_suffix(".key").write_bytes(pair.key)
    host.layout.ca.write_bytes(authority.certificate)
    host.crossbar(CROSSBAR)
    document = json.loads(host.router("ionman", ready_timeout=90))
    demo = {"name": "demo", "realm": "ionman", "user": "demo", "password": "demo-password"}
    document["router"]["services"] = [{**demo, "procedures": [URI]}]
    host.apply(json.dumps(document))
    return host.layout.ca


@pytest.fixture
def gathering(host: Host) -> Iterator[Gathering]:
    one = Gathering(host.layout)
    yield one
    one.close()


def checks(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    return {(one.what, one.way): one.why for one in snapshot.checks}


def reply(argv: Any, details: Any) -> Any:
    del details
    return {"status": "OK", "n": argv.get("n")}


def test_well_means_that_a_service_has_answered_through_the_router(
    host: Host, ca: Path, gathering: Gathering, promtool: Path
) -> None:
    before = gathering.snapshot()
    assert checks(before) == {(ROUTER, "tls"): "", ("demo", "door"): "nobody has registered it"}
    assert answer(before.checks)["status"] == "FAIL"

    account = Account("ionman", "demo", "demo-password")
    with Callee(f"localhost:{host.port}", ca, account, {URI: reply, probe("demo"): reply}):
        served = gathering.snapshot()
        assert set(checks(served).values()) == {""}
        assert answer(served.checks)["status"] == "OK"
        told = Figures(exposition(served).decode())
        process.run([promtool, "check", "metrics"], stdin=told.text, timeout=60)
        sessions = {dict(labels)["role"]: count for labels, count in told.rows("ionman_router_sessions").items()}
        assert (sessions["service_demo"], sessions["host"], sessions["client"]) == (1, 1, 0)
        callees = {dict(labels)["procedure"]: count for labels, count in told.rows("ionman_router_callees").items()}
        assert callees == {URI: 1, probe("demo"): 1}
        (memory,) = told.rows("ionman_program_memory_bytes").values()
        assert memory > 60e6  # its worker's too

        frozen = supervisor.status(host.layout, [ROUTER])[ROUTER].pid
        worker = int(Path(f"/proc/{frozen}/task/{frozen}/children").read_text().split()[0])
        os.kill(worker, signal.SIGSTOP)
        try:
            stuck = gathering.snapshot()
        finally:
            os.kill(worker, signal.SIGCONT)
        assert stuck.seconds < 10  # how long Prometheus waits, unless told otherwise
        assert "timed out" in checks(stuck)[ROUTER, "tls"]
        assert checks(stuck)["demo", "door"] != ""
        assert list(stuck.troubles) == ["realm ionman"]

    last = gathering.snapshot()
    assert checks(last) == {(ROUTER, "tls"): "", ("demo", "door"): "nobody has registered it"}

    process.run(["svc", "-dk", host.layout.program(ROUTER)])
    while supervisor.status(host.layout, [ROUTER])[ROUTER].up:
        time.sleep(0.1)
    gone = gathering.snapshot()
    assert gone.seconds < 10
    assert checks(gone)[ROUTER, "tls"] == "down"
    assert checks(gone)["demo", "door"] != ""
