"""The endpoint of a host, under a real supervisor."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError
from ionman.hosts import status, supervisor
from ionman.hosts.converge import remove
from ionman.hosts.layout import METRICS, Layout
from ionman.hosts.outcome import Asked
from ionman.hosts.supervisors import render as confinement
from ionman.hosts.supervisors.program import PRIVATE
from tests.crossbar import free_port
from tests.host.conftest import HURRIED, Host, Hosts
from tests.metrics.reading import Figures

SCANNER = HURRIED


def state(port: int, address: str = "127.0.0.1") -> str:
    return json.dumps({"metrics": {"address": address, "port": port}})


def get(port: int, path: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def eventually(look: Callable[[], object], seconds: float = 30) -> object:
    """What `look` returns once it raises nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return look()
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def pid(host: Host) -> int:
    return supervisor.status(host.layout, [METRICS])[METRICS].pid


def children(parent: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_from_the_first_apply_to_the_last(host: Host, promtool: Path) -> None:
    port = free_port()
    host.apply(host.document())
    assert host.apply(state(port)).changed
    first = pid(host)
    code, text = get(port, "/metrics")
    assert code == 200
    process.run([promtool, "check", "metrics"], stdin=text, timeout=60)
    ready = {dict(labels)["program"]: value for labels, value in Figures(text).rows("ionman_program_ready").items()}
    assert ready == dict.fromkeys(host.programs, 1.0)
    assert METRICS in ready
    assert get(port, "/health") == (200, '{"status": "OK", "checks": []}\n')
    assert get(port, "/etc/passwd")[0] == 404
    assert {row["program"]: row["ready"] for row in status.rows(host.layout)} == dict.fromkeys(host.programs, True)

    assert not host.apply(state(port)).changed
    assert pid(host) == first
    other = free_port()
    assert [step.verb for step in host.apply(state(other), check=True).steps] == ["restart"]
    assert host.apply(state(other)).changed
    assert get(other, "/")[0] == 200
    with pytest.raises(urllib.error.URLError):
        get(port, "/")
    assert not host.apply(host.document()).changed

    assert host.apply(state(other, address="")).changed
    assert not host.apply(state(other, address="")).changed
    assert METRICS not in host.programs

    assert host.apply(state(other)).changed
    remove((METRICS,), host.layout, Asked(host.lines.append, wait=20))
    assert METRICS not in host.programs


def test_a_port_that_somebody_has_is_refused_before_anything_changes(host: Host) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"metrics.port: {port} is in use by .*pid {os.getpid()}"):
            host.apply(state(port))
    assert host.programs == []


def test_either_half_ends_with_the_other_and_both_come_back(host: Host) -> None:
    port = free_port()
    host.apply(state(port))
    for choose in (lambda parent: parent, lambda parent: children(parent)[0]):
        before = pid(host)
        os.kill(choose(before), signal.SIGKILL)

        def again(before: int = before) -> None:
            assert pid(host) not in (0, before)
            assert get(port, "/metrics")[0] == 200

        eventually(again)


def test_peers_that_say_nothing_are_let_go(host: Host) -> None:
    port = free_port()
    host.apply(state(port))
    with ExitStack() as silent:
        for _ in range(40):
            silent.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(b"GET /metr")
        eventually(lambda: get(port, "/"), 20)
        threads = len(list(Path(f"/proc/{children(pid(host))[0]}/task").iterdir()))
        assert threads <= 2 + 16 * 2


@dataclass(frozen=True)
class Confined(Layout):
    """A host below another root, with accounts that every Debian has."""

    @property
    def confined(self) -> bool:
        return True

    def user(self, app: str) -> str:
        return "daemon"

    @property
    def log_user(self) -> str:
        return "sys"

    @property
    def metrics_user(self) -> str:
        return "games"


def rights(of: int) -> tuple[str, str, str]:
    """Account, capabilities that it has, and those that it could ever get."""
    rows = dict(line.split(":\t", 1) for line in Path(f"/proc/{of}/status").read_text().splitlines())
    return rows["Uid"].split()[0], rows["CapEff"], rows["CapBnd"]


def test_what_talks_to_the_network_may_do_nothing(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    # A checkout below /tmp is not hidden from the program, which is the checkout's here.
    hidden = [folder for folder in PRIVATE if not Path(__file__).is_relative_to(folder)]
    monkeypatch.setattr(confinement, "PRIVATE", hidden)
    host = hosts.another(Confined, under="/run")
    port = free_port()
    host.apply(host.document())
    host.apply(state(port))
    told = Figures(get(port, "/metrics")[1])
    assert dict(next(iter(told.rows("ionman_calls_total"))))["service"] == "demo"
    assert set(told.rows("ionman_program_ready").values()) == {1.0}
    assert told.rows("ionman_collect_trouble") == {}
    parent = pid(host)
    (front,) = children(parent)
    some = f"{1 << 1 | 1 << 6 | 1 << 7 | 1 << 8:016x}"  # dac_override, setgid, setuid, setpcap
    assert rights(parent) == ("0", some, some)
    assert rights(front) == ("5", "0" * 16, "0" * 16)
