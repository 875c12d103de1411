"""What is killed at any step is finished by the next run, and what served goes on serving meanwhile."""

import json
import re
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ionman import process
from ionman.hosts import health, record, supervisor
from tests.host.conftest import Host, Hosts
from tests.host.watch import Watch

ROLL_STEPS = 40  # that a replacement of two instances takes; with more there is nothing left to be killed at
BACK_STEPS = 39  # that a rollback of two takes
ROUTER_STEPS = 12  # that another configuration of the router takes
TOGETHER = 12  # hosts at a time

End = dict[str, object]  # what a host has


def killed(host: Host, document: str, last: int, *what: str) -> bool:
    """Apply, killed before step `last`; whether it was, rather than having ended before."""
    command: list[str | Path] = [sys.executable, "-m", "tests.host.killed", host.layout.root, str(last), *what]
    done = process.run(command, stdin=document, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stdout
    return done.returncode != 0


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


def roll(hosts: Hosts, last: int) -> tuple[bool, End]:
    host = hosts.another()
    host.apply(host.document(instances=2))
    wanted = host.document("1.1.0", instances=2, how={"soak": 0.3})
    with Watch(host) as watch:
        was_killed = killed(host, wanted, last)
        host.apply(wanted)
    return judged(hosts, host, wanted, watch, was_killed)


def back(hosts: Hosts, last: int) -> tuple[bool, End]:
    host = hosts.another()
    host.apply(host.document(instances=2))
    host.apply(host.document("1.1.0", instances=2))
    with Watch(host) as watch:
        was_killed = killed(host, "", last, "rollback")
        if "failed" not in host.marks().values() or record.memory_of(host.layout, "demo").pending:
            host.rollback()
    host.apply(host.document(instances=2))
    return judged(hosts, host, host.document(instances=2), watch, was_killed)


def judged(hosts: Hosts, host: Host, wanted: str, watch: Watch, was_killed: bool) -> tuple[bool, End]:
    assert watch.fewest == 2
    assert watch.most <= 3
    assert not host.apply(wanted).changed
    assert len(host.pids()) == 2
    assert all(host.pids().values())
    end = state(host)
    results = [row["result"] for row in record.history(host.layout)]
    assert "failed" not in results
    hosts.end(host)
    return was_killed, end


def everywhere(hosts: Hosts, act: Callable[[Hosts, int], tuple[bool, End]], steps: int) -> None:
    """Kill it before each step in turn: each time it comes to the same end as when it is left alone."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        # The last one is not killed: there is no such step.
        ends = list(pool.map(lambda last: act(hosts, last), range(1, steps + 2)))
    assert [was_killed for was_killed, _ in ends] == [True] * steps + [False]
    for _, end in ends:
        assert end == ends[-1][1]


def test_the_next_apply_finishes_a_roll(hosts: Hosts) -> None:
    everywhere(hosts, roll, ROLL_STEPS)


def test_the_next_rollback_finishes_a_rollback(hosts: Hosts) -> None:
    everywhere(hosts, back, BACK_STEPS)


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
