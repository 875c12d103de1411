"""Certificates from a real ACME server: proven over HTTP and by DNS, renewed in time, told of when that fails."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ionman import certificate
from ionman.certificates import renewal
from ionman.certificates.pem import blocks
from ionman.errors import IonmanError, NotPossible, Refused
from tests.crossbar import free_port
from tests.router.acme import Server, serving

DAYS = 9
NAME = "router.example.org"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("pebble"), DAYS) as one:
        yield one


class Host:
    """A host's folders, with one order."""

    def __init__(self, root: Path, server: Server) -> None:
        self.place = renewal.Place(root)
        self.lines: list[str] = []
        self.server = server
        self.place.orders.mkdir(parents=True)

    def order(self, **changes: Any) -> "Host":
        document: dict[str, Any] = {
            "name": "router",
            "names": [NAME],
            "directory": self.server.directory,
            "ca": str(self.server.ca),
        }
        document |= {"email": "ops@example.org", "address": "127.0.0.1", "port": self.server.http} | changes
        (self.place.orders / "router.json").write_text(json.dumps(document))
        return self

    def renew(self, days: float = 0) -> bytes:
        """As the timer does it, `days` from now; the leaf that is there afterwards."""
        self.lines.clear()
        now = datetime.now(UTC) + timedelta(days=days)
        renewal.renew(self.place, ["router"], self.lines.append, now)
        return self.file("pem")

    def landed(self) -> bytes:
        """The leaf of a certificate that was obtained a while ago."""
        self.place.leaves.mkdir()
        signer = certificate.authority()
        pair = certificate.leaf(signer, [NAME], days=DAYS)
        for kind, data in {"pem": pair.certificate, "key": pair.key, "chain.pem": signer.certificate}.items():
            (self.place.leaves / f"router.{kind}").write_bytes(data)
        return pair.certificate

    def file(self, kind: str) -> bytes:
        return (self.place.leaves / f"router.{kind}").read_bytes()

    def alarms(self, days: float = 0) -> str:
        return "\n".join(renewal.alarming(self.place, datetime.now(UTC) + timedelta(days=days)))


@pytest.fixture
def host(tmp_path: Path, server: Server) -> Host:
    return Host(tmp_path, server)


def sound(host: Host, *names: str) -> list[str]:
    """What is wrong with what landed."""
    chain = blocks(host.file("chain.pem"))
    return certificate.verify(host.file("pem"), host.file("key"), chain=chain, ca=host.server.root(), wanted=names)


def test_proven_over_http_and_renewed_well_before_the_end(host: Host) -> None:
    first = host.order(names=[NAME, "www.example.org"]).renew()
    assert sound(host, NAME, "www.example.org") == []
    assert (host.place.leaves / "router.key").stat().st_mode & 0o777 == 0o600
    assert host.renew() == first, "nothing to do"
    assert "kept until" in host.lines[0]
    key = host.file("key")
    assert host.renew(days=DAYS * 0.5) == first
    assert host.alarms() == ""
    second = host.renew(days=DAYS * 0.7)
    assert (second == first, host.file("key") == key) == (False, False)
    assert "expires in 2 days" in host.lines[0]
    assert sound(host, NAME) == []


def test_proven_by_dns_with_a_star(host: Host, tmp_path: Path) -> None:
    hook = host.server.hook(tmp_path / "hook")
    host.order(names=["*.example.net", "example.net"], challenge="dns-01", hook=str(hook), wait=0, port=1).renew()
    assert sound(host, "any.example.net", "example.net") == []
    told = (tmp_path / "hook.log").read_text().splitlines()
    assert sorted(told) == ["clear-txt _acme-challenge.example.net"] * 2 + ["set-txt _acme-challenge.example.net"] * 2


def test_a_name_more_is_asked_for_at_once(host: Host) -> None:
    host.landed()
    host.order(names=[NAME, "more.example.org"]).renew()
    assert "lacks the name more.example.org" in host.lines[0]
    assert sound(host, "more.example.org") == []


def test_what_was_killed_between_its_files_is_made_anew(host: Host) -> None:
    host.order(port=free_port()).landed()
    (host.place.leaves / "router.key").write_bytes(certificate.authority().key)
    with pytest.raises(Refused):
        host.renew()
    assert "could not be renewed" in host.alarms()
    host.order().renew()
    assert "is broken (the key is not the certificate's" in host.lines[0]
    assert sound(host, NAME) == []
    assert host.alarms() == "", "a good one ends the alarm"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"port": 9}, Refused, f"{NAME}: "),  # nobody answers where the server looks
        ({"directory": "https://localhost:9/dir"}, IonmanError, "cannot be used"),
        ({"ca": ""}, IonmanError, "certificate verify failed"),
        ({"challenge": "dns-01", "hook": "/bin/false", "wait": 0}, NotPossible, "the DNS hook could not add"),
        ({"names": ["127.0.0.1"]}, IonmanError, "this is for DNS names"),
    ],
)
def test_a_failure_is_an_alarm_and_leaves_what_is_there(
    host: Host, changes: dict[str, Any], kind: type[IonmanError], said: str
) -> None:
    first = host.landed()
    if "port" in changes:
        changes = {"port": free_port()}
    host.order(**changes)
    with pytest.raises(kind) as caught:
        host.renew(days=DAYS * 0.7)
    assert said in str(caught.value)
    assert host.file("pem") == first
    assert "certificate router could not be renewed on " in host.alarms()
    assert said in host.alarms()
