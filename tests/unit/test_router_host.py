"""What a router's description names on its host: the TLS files, the port, the account that may have it."""

import getpass
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ionman import certificate
from ionman.hosts import port
from ionman.routers import files

NAMES = ["router.example.org", "127.0.0.1"]
AUTHORITY = certificate.authority()


@pytest.fixture
def router(tmp_path: Path) -> dict[str, Any]:
    """A description whose files are sound, and whose port is free."""
    land(tmp_path, certificate.leaf(AUTHORITY, NAMES))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    paths = {"certificate": str(tmp_path / "leaf.pem"), "key": str(tmp_path / "leaf.key")}
    return {**paths, "names": NAMES[:1], "address": "127.0.0.1", "port": number, "realms": []}


def land(folder: Path, pair: certificate.Pair) -> None:
    (folder / "leaf.pem").write_bytes(pair.certificate)
    (folder / "leaf.key").write_bytes(pair.key)
    (folder / "leaf.key").chmod(0o640)


def said(router: dict[str, Any], account: str = "") -> list[str]:
    problems = files.look(router) or files.look_closer(router, account or getpass.getuser())
    return [str(problem) for problem in problems]


def test_sound_files_and_a_free_port_are_no_problem(router: dict[str, Any]) -> None:
    assert said(router) == []


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("certificate", "/nowhere.pem", "certificate: /nowhere.pem cannot be read: No such file or directory"),
        ("key", "/nowhere.key", "key: /nowhere.key cannot be read"),
        ("chain", ["/nowhere.pem"], "chain[0]: /nowhere.pem cannot be read"),
        ("links", {"ca": "/nowhere.pem"}, "links.ca: /nowhere.pem cannot be read"),
        ("page", "/nowhere", "page: there is no index.html in /nowhere"),
        ("names", ["other.example.org"], "certificate: the certificate stands for router.example.org, 127.0.0.1, not"),
        ("address", "192.0.2.1", "address: nobody can listen on 192.0.2.1 here"),
    ],
)
def test_each_fault_has_its_place(router: dict[str, Any], key: str, value: Any, says: str) -> None:
    (problem,) = said(router | {key: value})
    assert problem.startswith(says)


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (90, "certificate: CN=router.example.org expired on"),
        (0, "certificate: it ends in"),
        (-1, "is not valid before"),
    ],
)
def test_a_certificate_out_of_date_is_a_problem(router: dict[str, Any], days: int, says: str) -> None:
    made = datetime.now(UTC) - timedelta(days=days, minutes=30)
    land(Path(router["key"]).parent, certificate.leaf(AUTHORITY, NAMES, days=7, now=made))
    assert any(says in problem for problem in said(router)), said(router)


def test_a_key_of_another_certificate_is_a_problem(router: dict[str, Any]) -> None:
    Path(router["key"]).write_bytes(AUTHORITY.key)
    assert said(router)[0].startswith("certificate: the key is not the certificate's")


def test_a_key_that_everybody_can_read_is_a_problem(router: dict[str, Any]) -> None:
    Path(router["key"]).chmod(0o644)
    assert said(router)[0].startswith(f"key: {router['key']} can be read by everybody")


@pytest.fixture
def taken(router: dict[str, Any]) -> Iterator[int]:
    """The router's port, with this process listening on it."""
    with socket.create_server(("127.0.0.1", router["port"])):
        yield router["port"]


def test_a_port_that_another_account_has_is_a_problem(router: dict[str, Any], taken: int) -> None:
    assert port.account(taken) == getpass.getuser()
    (problem,) = said(router, "ionman-router")
    assert problem.startswith(f"port: {taken} is taken already, by ")
    assert "(pid " in problem


def test_a_port_that_the_router_has_is_none(router: dict[str, Any], taken: int) -> None:
    assert said(router) == []
    assert port.free("127.0.0.1", taken) is False


def test_a_port_for_root_is_a_problem(router: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lowest").write_text("65535\n")
    monkeypatch.setattr(files, "LOWEST", tmp_path / "lowest")
    (problem,) = said(router, "ionman-router")
    assert problem.startswith(f"port: {router['port']} is for root: the router runs as ionman-router")
