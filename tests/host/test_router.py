"""The router's section of the desired state, under a real svscan."""

import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from ionman import certificate, process
from ionman.call import Account, Client, connect
from ionman.errors import InputError, IonmanError, Refused, Unavailable
from ionman.hosts import health, supervisor
from ionman.hosts.layout import ROUTER
from tests.callee import Callee
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
    assert [step.verb for step in would.steps] == ["write", "write", "leave", "restart", "await"]
    assert (pid(host), configuration(host).read_text()) == (first, text)
    assert "alice-password" not in json.dumps(would.document())
    assert json.loads(text)["workers"][0]["transports"][0]["paths"]["ws"]["auth"]["scram"]["principals"]["alice"][
        "stored-key"
    ] not in json.dumps(would.document())

    assert host.apply(host.router("ionman", "other")).changed
    second = pid(host)
    assert second != first

    host.certify()
    steps = host.apply(host.router("ionman", "other")).steps
    assert [(step.verb, "new certificate or key; no restart" in step.why) for step in steps] == [("await", True)]
    assert pid(host) == second
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""


def serving(host: Host, *procedures: str, kept: Sequence[str] = (), ready_timeout: float = 30) -> str:
    """A router with the service demo, which registers `procedures`, and what `kept` releases did."""
    document = json.loads(host.router("ionman", ready_timeout=ready_timeout))
    demo = {"name": "demo", "realm": "ionman", "user": "demo", "password": "demo-password"}
    document["router"]["services"] = [{**demo, "procedures": procedures, "kept": kept}]
    document["router"]["realms"][0]["roles"][0]["permissions"] = [{"uri": "app.", "match": "prefix", "allow": ["call"]}]
    return json.dumps(document)


def test_other_procedures_of_a_service_need_no_restart(router_host: Host) -> None:
    host = router_host
    host.apply(serving(host, "app.demo.method1"))
    first, text = pid(host), configuration(host).read_text()
    rights = host.layout.router_configuration / "rights.json"

    would = host.apply(serving(host, "app.demo.method2"), check=True)
    assert [str(step).split()[:4] for step in would.steps] == [
        ["write", "router/rights.json", "+app.demo.method2", "-app.demo.method1;"],
        ["keep", "router", "Crossbar", "26.10.1"],
    ]
    assert [difference["name"] for difference in would.differences] == ["router/rights.json"]

    assert host.apply(serving(host, "app.demo.method2")).changed
    assert (pid(host), configuration(host).read_text()) == (first, text)
    assert ("app.demo.method1" in rights.read_text(), "app.demo.method2" in rights.read_text()) == (False, True)
    assert rights.stat().st_mode & 0o777 == 0o640
    assert not host.apply(serving(host, "app.demo.method2")).changed

    # What a failure puts back are the rights that were in force, not those of the last start.
    broken = json.loads(serving(host, "app.demo.method3"))
    broken["router"]["realms"].append({"name": "broken"})
    with pytest.raises(Unavailable, match="put back and answers"):
        host.apply(json.dumps(broken))
    assert "app.demo.method2" in rights.read_text()
    assert not host.apply(serving(host, "app.demo.method2")).changed


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


class Calling:
    """A caller in a closed loop, on a thread of its own, until its block ends."""

    def __init__(self, client: Client, uri: str) -> None:
        self._client, self._uri = client, uri
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call)
        self.answers = 0
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _call(self) -> None:
        while not self._over.is_set():
            try:
                assert self._client.call(self._uri, self.answers, idempotent=False) == self.answers
                self.answers += 1
            except IonmanError as error:
                self.lost.append(str(error))


def answer(argv: Any, details: Mapping[str, Any]) -> Any:
    del details
    return argv


def trusted(host: Host) -> Path:
    """Certify the router by an authority, and return its certificate for clients."""
    authority = certificate.authority()
    pair = certificate.leaf(authority, ["localhost"])
    host.certificate.parent.mkdir(parents=True)
    host.certificate.write_bytes(pair.certificate)
    host.certificate.with_suffix(".key").write_bytes(pair.key)
    ca = host.layout.root / "ca.pem"
    ca.write_bytes(authority.certificate)
    return ca


def test_a_release_with_other_procedures_costs_no_call(host: Host) -> None:
    old, new, wait = "app.demo.method1", "app.demo.method2", 120
    host.crossbar(CROSSBAR)
    ca, address = trusted(host), f"localhost:{host.port}"
    host.apply(serving(host, old, ready_timeout=wait))
    assert health.problem("127.0.0.1", host.port, host.certificate) == ""
    assert (host.layout.crossbar_state("26.10.1") / "key.priv").exists()
    assert not host.apply(serving(host, old, ready_timeout=wait)).changed
    first = pid(host)

    def start(*uris: str) -> None:
        account = Account("ionman", "demo", "demo-password")
        instances.enter_context(Callee(address, ca, account, dict.fromkeys(uris, answer)))

    def refused(uri: str) -> None:
        with (
            connect([address], user="demo", password="demo-password", ca=ca) as client,
            pytest.raises(Refused, match="not_authorized"),
        ):
            client.register(uri, answer, "roundrobin")

    with ExitStack() as instances, connect([address], user="alice", password="alice-password", ca=ca) as alice:
        start(old)
        with Calling(alice, old) as calling:
            refused(new)
            host.apply(serving(host, new, kept=[old], ready_timeout=wait))
            start(new, old)  # the new release; and one more of the old, as a rollback starts it
            assert alice.call(new, "x") == "x"
            host.apply(serving(host, new, ready_timeout=wait))  # no kept release declares the old one any more
            refused(old)
            start(new)
    assert pid(host) == first
    assert calling.lost == []
    assert calling.answers > 0
