"""An apply that is killed at any step is finished by the next one."""

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ionman import process
from ionman.hosts import health, supervisor
from tests.host.conftest import Host, Hosts

STEPS = 27  # that a replacement of two instances takes; with more there is nothing left to be killed at
ROUTER_STEPS = 15  # that another configuration of the router takes


def killed(host: Host, document: str, last: int) -> bool:
    """Apply, killed before step `last`; whether it was, rather than having ended before."""
    command: list[str | Path] = [sys.executable, "-m", "tests.host.killed", host.layout.root, str(last)]
    done = process.run(command, stdin=document, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout
    return done.returncode != 0


def finishes(hosts: Hosts, last: int) -> bool:
    host = hosts.another()
    host.apply(host.document(instances=2))
    was_killed = killed(host, host.document("1.1.0", instances=2), last)
    host.apply(host.document("1.1.0", instances=2))
    assert not host.apply(host.document("1.1.0", instances=2)).changed
    assert len(host.pids()) == 2
    assert all(host.pids().values())
    assert {supervisor.about(host.layout, name)["version"] for name in host.programs} == {"1.1.0"}
    assert sorted(path.name for path in host.layout.scanned.iterdir()) == host.programs
    assert [path.name for path in host.layout.configuration.glob("*/*")] == [host.programs[0].split(".")[1]]
    assert sorted(path.name for path in host.layout.runs.iterdir()) == ["apply.lock", *host.programs]
    hosts.end(host)
    return was_killed


def test_the_next_apply_finishes(hosts: Hosts) -> None:
    with ThreadPoolExecutor(9) as pool:
        results = list(pool.map(lambda last: finishes(hosts, last), range(1, STEPS + 2)))
    assert results == [True] * STEPS + [False]


def router_finishes(hosts: Hosts, last: int) -> bool:
    host = hosts.another()
    host.crossbar()
    host.certify()
    host.apply(host.router("ionman"))
    was_killed = killed(host, host.router("ionman", "other"), last)
    host.apply(host.router("ionman", "other"))
    assert not host.apply(host.router("ionman", "other")).changed
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""
    configuration = json.loads((host.layout.router_configuration / "config.json").read_text())
    assert [realm["name"] for realm in configuration["workers"][0]["realms"]] == ["ionman", "other"]
    assert host.programs == ["router"]
    hosts.end(host)
    return was_killed


def test_the_next_apply_finishes_the_router(hosts: Hosts) -> None:
    with ThreadPoolExecutor(9) as pool:
        results = list(pool.map(lambda last: router_finishes(hosts, last), range(1, ROUTER_STEPS + 2)))
    assert results == [True] * ROUTER_STEPS + [False]
