"""The router's section of the desired state, under a real svscan."""

import json
import socket
import time
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError, Unavailable
from ionman.hosts import health, supervisor
from ionman.hosts.layout import ROUTER
from tests.crossbar import CROSSBAR
from tests.host.conftest import Host


def pid(host: Host) -> int:
    return supervisor.status(host.layout, [ROUTER])[ROUTER].pid


def configuration(host: Host) -> Path:
    return host.layout.router_configuration / "config.json"


@pytest.fixture
def router_host(host: Host) -> Host:
    host.crossbar()
    host.certify()
    return host


def test_starts_keeps_and_restarts_only_for_a_reason(router_host: Host) -> None:
    host = router_host
    assert host.apply(host.router("ionman")).changed
    first, text = pid(host), configuration(host).read_text()
    assert configuration(host).stat().st_mode & 0o777 == 0o640
    salt = host.layout.router_state / "salt"
    assert salt.stat().st_mode & 0o777 == 0o600

    assert not host.apply(host.router("ionman")).changed
    assert (pid(host), configuration(host).read_text()) == (first, text)
    assert any("nothing to do" in line for line in host.lines)

    would = host.apply(host.router("ionman", "other"), check=True)
    assert [step.verb for step in would.steps] == ["write", "restart", "await"]
    assert (pid(host), configuration(host).read_text()) == (first, text)
    assert "alice-password" not in json.dumps(would.document())
    assert json.loads(text)["workers"][0]["transports"][0]["paths"]["ws"]["auth"]["scram"]["principals"]["alice"][
        "stored-key"
    ] not in json.dumps(would.document())

    assert host.apply(host.router("ionman", "other")).changed
    second = pid(host)
    assert second != first

    host.certify()
    assert "certificate or key changed" in str(host.apply(host.router("ionman", "other")).steps[0])
    assert pid(host) != second
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""


def test_one_that_was_stopped_is_started(router_host: Host) -> None:
    host = router_host
    host.apply(host.router("ionman"))
    process.run(["svc", "-d", host.layout.program(ROUTER)])
    while pid(host):
        time.sleep(0.1)
    assert host.apply(host.router("ionman", "other")).changed
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""
    assert not host.apply(host.router("ionman", "other")).changed


def test_puts_the_last_good_one_back(router_host: Host) -> None:
    host = router_host
    host.apply(host.router("ionman"))
    text = configuration(host).read_text()
    with pytest.raises(Unavailable, match="cannot start realm broken") as caught:
        host.apply(host.router("broken"))
    assert "the previous configuration was put back and answers" in str(caught.value)
    assert configuration(host).read_text() == text
    assert not host.apply(host.router("ionman")).changed


def test_a_first_one_that_does_not_come_up_is_taken_away(router_host: Host) -> None:
    host = router_host
    with pytest.raises(Unavailable, match="never ran before"):
        host.apply(host.router("broken"))
    assert host.programs == []
    assert not configuration(host).exists()


def test_refuses_what_cannot_work_and_changes_nothing(router_host: Host) -> None:
    host = router_host
    with pytest.raises(InputError, match="refused is no realm"):
        host.apply(host.router("refused"))
    with pytest.raises(InputError, match=r"Crossbar 1\.2\.3 is not installed"):
        host.apply(host.router("ionman", version="1.2.3"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", host.port))
        other.listen()
        with pytest.raises(InputError, match=rf"{host.port} is in use by .+ \(pid"):
            host.apply(host.router("ionman"))
    host.certificate.with_suffix(".key").write_text("no key")
    with pytest.raises(InputError, match="cannot be used together"):
        host.apply(host.router("ionman"))
    assert host.programs == []
    assert not configuration(host).exists()


def test_the_real_crossbar_comes_up(host: Host) -> None:
    host.crossbar(CROSSBAR)
    host.certify()
    host.apply(host.router("ionman", ready_timeout=120))
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""
    assert (host.layout.router_state / "key.priv").exists()
    assert not host.apply(host.router("ionman", ready_timeout=120)).changed
