"""The figures of a host in a folder: real supervisors and control sockets, a real router."""

import json
import os
from pathlib import Path

import pytest

from ionman import process
from tests.host.conftest import HURRIED, Host
from tests.metrics.reading import Figures

SCANNER = HURRIED


def figures(ionman: Path, host: Host) -> Figures:
    done = process.run([ionman, "metrics", "--root", host.layout.root], timeout=120)
    return Figures(done.stdout)


def test_the_figures_of_instances(host: Host, ionman: Path, promtool: Path) -> None:
    host.apply(host.document(instances=2))
    told = figures(ionman, host)
    assert told.rows("ionman_program_ready") == {
        (("program", name), ("service", "demo")): 1.0 for name in host.programs
    }
    assert all(value > 1e6 for value in told.rows("ionman_program_memory_bytes").values())
    assert all(value > 2 for value in told.rows("ionman_program_open_files").values())
    calls, count = told.rows("ionman_calls_total"), told.rows("ionman_call_duration_seconds_count")
    assert calls == count
    assert len(calls) == 2
    process.run([promtool, "check", "metrics"], stdin=told.text, timeout=60)


def test_an_instance_that_is_frozen_keeps_nobody_waiting(host: Host, ionman: Path) -> None:
    host.apply(host.document(instances=2))
    frozen = host.programs[0]
    pid = host.pids()[frozen]
    os.kill(pid, 19)
    try:
        ready = figures(ionman, host).rows("ionman_program_ready")
    finally:
        os.kill(pid, 18)
    assert {dict(labels)["program"]: value for labels, value in ready.items()} == {frozen: 0.0, host.programs[1]: 1.0}


def test_a_host_with_nothing_on_it(host: Host, ionman: Path) -> None:
    told = figures(ionman, host)
    assert told.rows("ionman_program_ready") == {}
    assert told.rows("ionman_collect_trouble") == {}
    done = process.run([ionman, "metrics", "health", "--root", host.layout.root], timeout=120)
    assert json.loads(done.stdout) == {"status": "OK", "checks": []}


@pytest.mark.parametrize("text", ["no certificate", ""])
def test_a_certificate_that_cannot_be_read_is_told(host: Host, ionman: Path, text: str) -> None:
    host.certify()
    host.layout.ca.write_text(text)
    told = figures(ionman, host)
    assert list(told.rows("ionman_collect_trouble")) == [(("what", str(host.layout.ca)),)]
    ((labels, left),) = told.rows("ionman_certificate_seconds_left").items()
    assert dict(labels)["path"] == str(host.certificate)
    assert 89 * 86400 < left <= 90 * 86400
