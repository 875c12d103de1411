"""How a router may be restarted on its host, what is kept of each version, and the watch."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ionman.errors import InputError, NotPossible, Unavailable
from ionman.hosts import health, router_processes, supervisor
from ionman.hosts.layout import ROUTER, WATCH
from tests.crossbar import CROSSBAR
from tests.host.conftest import HURRIED, Host

SCANNER = HURRIED


@pytest.fixture
def router_host(host: Host) -> Host:
    host.crossbar()
    host.certify()
    return host


def pid(host: Host) -> int:
    return supervisor.status(host.layout, [ROUTER])[ROUTER].pid


def until(condition: Callable[[], object], seconds: float = 120.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.1)
    return time.monotonic() - began


def test_the_only_router_is_restarted_only_when_that_is_allowed(router_host: Host) -> None:
    host = router_host
    assert host.apply(host.router("ionman", allow_outage=False)).changed  # a first start is no outage
    first, text = pid(host), (host.layout.router_configuration / "config.json").read_text()
    with pytest.raises(
        NotPossible, match=r"configuration.*there is no other one: its callers would wait for about"
    ) as no:
        host.apply(host.router("ionman", "other", allow_outage=False))
    assert "router_allow_outage" in no.value.remedy
    would = host.apply(host.router("ionman", "other", allow_outage=False), check=True)
    assert [step.verb for step in would.steps if step.verb != "write"] == ["leave", "restart", "await"]
    assert any("callers would wait" in line for line in host.lines)

    # Another one that is not well is none.
    with pytest.raises(NotPossible, match="another one is not well: https://localhost:9"):
        host.apply(host.router("ionman", "other", allow_outage=False, others=["localhost:9"]))
    assert (pid(host), (host.layout.router_configuration / "config.json").read_text()) == (first, text)


@pytest.mark.parametrize("wrong", [{"others": [7]}, {"others": ["a b"]}, {"drain_timeout": -1}, {"nonsense": 1}])
def test_what_cannot_be_meant_is_refused(router_host: Host, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"router\.rolling\."):
        router_host.apply(router_host.router("ionman", **wrong))


def test_each_version_keeps_its_own_folder(router_host: Host) -> None:
    host = router_host
    old, new = host.layout.crossbar_state("26.10.1"), host.layout.crossbar_state("27.1.1")
    host.layout.router_state.mkdir(parents=True)
    (host.layout.router_state / "key.priv").write_text("of the days of one folder for all")
    (host.layout.router_state / "salt").write_bytes(bytes(32))
    host.apply(host.router("ionman"))
    assert {path.name: path.read_text() for path in old.iterdir()} == {"key.priv": "of the days of one folder for all"}
    (old / "database").write_text("of 26.10.1")

    host.crossbar(version="27.1.1")
    with pytest.raises(Unavailable, match="put back and answers"):
        host.apply(host.router("broken", version="27.1.1"))
    assert (old.exists(), new.exists()) == (True, False)

    host.apply(host.router("ionman", version="27.1.1"))
    assert (new / "key.priv").read_text() == (old / "key.priv").read_text()
    (new / "database").write_text("of 27.1.1, which 26.10.1 cannot read")
    host.apply(host.router("ionman"))
    assert (old / "database").read_text() == "of 26.10.1"
    assert str(old) in (host.layout.program(ROUTER) / "run").read_text()
    assert (new / "database").exists()  # for as long as that version is installed
    (host.layout.release("crossbar", "27.1.1") / "venv/bin/crossbar").unlink()
    for folder in ("venv/bin", "venv", "."):
        (host.layout.release("crossbar", "27.1.1") / folder).rmdir()
    host.apply(host.router("ionman", "other"))
    assert not new.exists()


def test_a_frozen_router_is_killed_and_comes_back(host: Host) -> None:
    host.crossbar(CROSSBAR)
    host.certify()
    host.apply(host.router("ionman", watch=True, ready_timeout=120))
    assert not host.apply(host.router("ionman", watch=True, ready_timeout=120)).changed
    assert host.programs == [WATCH, ROUTER]
    node = router_processes.node(host.layout, "26.10.1")
    assert node == pid(host)
    log = host.layout.logs / WATCH / "current"
    until(lambda: f"process {node} answers" in _text(log))
    workers = [one.pid for one in router_processes.family(node) if one.pid != node]
    for one in workers:
        os.kill(one, signal.SIGSTOP)
    struck = time.monotonic()
    until(lambda: pid(host) not in (0, node))
    assert time.monotonic() - struck < 40  # 11 s on a machine that has nothing else to do
    assert "it is frozen" in _text(log)
    until(lambda: not health.problem("127.0.0.1", host.port, host.certificate))
    assert not any(Path(f"/proc/{one}").exists() for one in workers)
    host.apply(host.router("ionman", watch=False, ready_timeout=120))
    assert host.programs == [ROUTER]


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
