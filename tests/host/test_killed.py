"""What is killed at any step is finished by the next run, and what served goes on serving meanwhile."""

import json
import re
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ionman import process
from ionman.hosts import health, record, supervisor
from tests.host.conftest import HURRIED, Host, Hosts
from tests.host.watch import Watch

SCANNER = HURRIED

NEVER = 100000  # a step that nothing has
TOGETHER = 12  # hosts at a time

End = dict[str, object]  # what a host has


def killed(host: Host, document: str, last: int, *what: str) -> int:
    """Apply, killed before step `last`; 0, or how many steps there are when it ended before."""
    command: list[str | Path] = [sys.executable, "-m", "tests.host.killed", host.layout.root, str(last), *what]
    done = process.run(command, stdin=document, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout
    return 0 if done.returncode else int(done.stdout.splitlines()[-1])


def state(host: Host) -> End:
    """Everything that a host has in the end: files, links, records, programs by what they run. No times, no pids."""
    layout = host.layout
    programs = {name: supervisor.status(layout, [name])[name] for name in host.programs}
    places = (layout.configuration, layout.programs, layout.scanned, layout.records, layout.runs)
    noise = re.compile(r"supervise/|pace$|/pid$|/lock$|status$|control$|history|proven")
    return {
        "files": sorted(
            str(path.relative_to(layout.root))
            for place in places
            for path in place.rglob("*")
            if not noise.search(str(path))
        ),
        "configuration": {path.parent.name: path.read_text() for path in layout.configuration.rglob("*.ini")},
        "links": {path.name: path.readlink().name for path in layout.scanned.iterdir()},
        "up": {name: one.up for name, one in programs.items()},
        "versions": host.versions(),
        "marks": host.marks(),
        "entries": {name: one.entry for name, one in record.memory_of(layout, "demo").records.items()},
    }


def roll(hosts: Hosts, last: int) -> tuple[int, End]:
    host = hosts.another()
    host.apply(host.document(instances=2))
    wanted = host.document("1.1.0", instances=2, how={"soak": 0.3})
    with Watch(host) as watch:
        steps = killed(host, wanted, last)
        host.apply(wanted)
    return steps, judged(hosts, host, wanted, watch)


def back(hosts: Hosts, last: int) -> tuple[int, End]:
    host = hosts.another()
    host.apply(host.document(instances=2))
    host.apply(host.document("1.1.0", instances=2))
    with Watch(host) as watch:
        steps = killed(host, "", last, "rollback")
        if "failed" not in host.marks().values() or record.memory_of(host.layout, "demo").pending:
            host.rollback()
    wanted = host.document(instances=2)
    host.apply(wanted)
    return steps, judged(hosts, host, wanted, watch)


def judged(hosts: Hosts, host: Host, wanted: str, watch: Watch) -> End:
    assert watch.fewest == 2
    assert watch.most <= 3
    assert not host.apply(wanted).changed
    assert len(host.pids()) == 2
    assert all(host.pids().values())
    assert "failed" not in [row["result"] for row in record.history(host.layout)]
    end = state(host)
    hosts.end(host)
    return end


def router(hosts: Hosts, last: int) -> tuple[int, End]:
    host = hosts.another()
    host.crossbar()
    host.certify()
    host.apply(host.router("ionman"))
    steps = killed(host, host.router("ionman", "other"), last)
    host.apply(host.router("ionman", "other"))
    assert not host.apply(host.router("ionman", "other")).changed
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""
    configuration = json.loads((host.layout.router_configuration / "config.json").read_text())
    assert host.programs == ["router"]
    hosts.end(host)
    return steps, {"realms": [realm["name"] for realm in configuration["workers"][0]["realms"]]}


@pytest.mark.parametrize("act", [roll, back, router])
def test_the_next_run_finishes(hosts: Hosts, act: Callable[[Hosts, int], tuple[int, End]]) -> None:
    """Killed before each step in turn, each time it comes to the same end as when it is left alone."""
    steps, undisturbed = act(hosts, NEVER)
    assert steps > 10
    with ThreadPoolExecutor(TOGETHER) as pool:
        ends = list(pool.map(lambda last: act(hosts, last), range(1, steps + 1)))
    for finished, end in ends:
        assert (finished, end) == (0, undisturbed)
