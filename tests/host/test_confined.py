"""What is taken from a program on a real host: its account, its rights, its file system. Needs root, as a host does."""

import json
from dataclasses import dataclass

import pytest

from ionman.errors import Unavailable
from ionman.hosts import supervisor
from ionman.hosts.layout import Layout
from tests.host.conftest import Hosts


@dataclass(frozen=True)
class Confined(Layout):
    """A host below another root, with accounts that every Debian has."""

    @property
    def confined(self) -> bool:
        return True

    def user(self, app: str) -> str:
        return "daemon"

    @property
    def router_user(self) -> str:
        return "daemon"

    @property
    def log_user(self) -> str:
        return "sys"


def test_a_host_that_cannot_confine_does_not_start(hosts: Hosts) -> None:
    host = hosts.another(Confined, under="/run", before=["setpriv", "--bounding-set=-sys_admin"])
    with pytest.raises(Unavailable, match="this host gives no mount namespace, so the program would not be confined"):
        host.apply(host.document())
    assert not (host.layout.states / "demo/probe.json").exists()


def test_rights_are_taken_away(hosts: Hosts) -> None:
    host = hosts.another(Confined, under="/run")
    host.apply(host.document())
    seen = json.loads((host.layout.states / "demo/probe.json").read_text())
    (name,) = host.programs
    assert seen["uid"] == 1
    assert seen["groups"] == [1]
    assert seen["rights"].pop("NoNewPrivs") == "1"
    assert set(seen["rights"].values()) == {"0" * 16}
    assert [folder for folder, read_only in seen["read_only"].items() if not read_only] == [
        "/tmp",
        str(host.layout.states / "demo"),
        str(host.layout.runs / name),
    ]
    assert seen["tmp"] == []
    assert seen["open_files"] == 4096
    assert seen["environment"] == [
        "HOME",
        "IONMAN_CONFIG",
        "IONMAN_CONTROL",
        "IONMAN_INSTANCE",
        "LANG",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUNBUFFERED",
    ]
    assert (host.layout.logs / name / "current").owner() == "sys"
    assert "starting" in "".join(supervisor.log_tail(host.layout, name))
    configuration = host.layout.configuration / "demo" / name.split(".")[1] / "config.ini"
    assert (configuration.owner(), configuration.group()) == ("root", "daemon")
    assert not host.apply(host.document()).changed
