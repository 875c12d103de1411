"""The rights that a router reads while it runs: what they allow, when they are read again, and what is refused."""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'crypt' is deprecated", DeprecationWarning)  # passlib, which Autobahn imports
    from ionman.routers.authorizer import Authorizer, Rights

URI, BELOW = "app.demo.method1", "ionman.service.demo."
ENTRIES = [
    {"uri": URI, "match": "exact", "allow": ["register"]},
    {"uri": "app.demo.news", "match": "exact", "allow": ["publish", "subscribe"]},
    {"uri": BELOW, "match": "prefix", "allow": ["register", "call"]},
    {"uri": "app..wild.", "match": "wildcard", "allow": ["register"]},
]


def document(*entries: Any, realm: str = "ionman", role: str = "service_demo") -> str:
    return json.dumps({"realms": {realm: {role: list(entries)}}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "rights.json").write_text(document(*ENTRIES))
    return tmp_path / "rights.json"


@pytest.mark.parametrize(
    ("action", "uri", "match", "allowed"),
    [
        ("register", URI, "exact", True),
        ("call", URI, "exact", False),
        ("register", URI, "prefix", False),  # would answer for app.demo.method1_of_another too
        ("register", "app.demo.method", "prefix", False),
        ("register", "app..method1", "wildcard", False),
        ("register", f"{URI}0", "exact", False),
        ("subscribe", "app.demo.news", "exact", True),
        ("subscribe", "app.demo.news", "prefix", False),
        ("subscribe", "app.", "prefix", False),
        ("register", f"{BELOW}host1.ab12cd34.1.ping", "exact", True),
        ("register", BELOW, "prefix", True),
        ("register", f"{BELOW}.1.ping", "wildcard", True),
        ("register", "ionman.service.", "prefix", False),
        ("register", "ionman.service.demo2.x", "exact", False),
        ("publish", f"{BELOW}x", "exact", False),
        ("register", "app.a.wild.b", "exact", True),
        ("register", "app.a.wild.", "wildcard", True),
        ("register", "app..wild.", "wildcard", True),
        ("register", "app..wild.", "exact", False),  # no URI: Crossbar refuses it too
        ("register", "app.a.wild.", "prefix", False),  # has no end
        ("register", "app.a..b", "wildcard", False),
        ("register", ".a.wild.b", "wildcard", False),
        ("register", "app.a.wild", "exact", False),
        ("register", "app.a.wild.b.c", "exact", False),
        ("call", "app.a.wild.b", "exact", False),
    ],
)
def test_what_the_entries_allow(path: Path, action: str, uri: str, match: str, allowed: bool) -> None:
    assert Rights(str(path), "ionman").allow("service_demo", action, uri, match) is allowed


def test_another_role_and_another_realm_have_nothing(path: Path) -> None:
    assert not Rights(str(path), "ionman").allow("service_other", "register", URI, "exact")
    other = Rights(str(path), "other")
    assert not other.allow("service_demo", "register", URI, "exact")
    assert "another shape: KeyError('other')" in other.problem


def test_a_replaced_file_is_in_force_at_the_next_question(path: Path) -> None:
    rights = Rights(str(path), "ionman")
    assert rights.allow("service_demo", "register", URI, "exact")
    new = path.with_name("new")
    new.write_text(document())
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # the same size and time do not hide it
    new.replace(path)
    assert not rights.allow("service_demo", "register", URI, "exact")


def test_a_file_that_is_the_same_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rights = Rights(str(path), "ionman")
    rights.allow("service_demo", "register", URI, "exact")
    monkeypatch.setattr(Path, "read_text", lambda self: pytest.fail("read again"))
    assert rights.allow("service_demo", "register", URI, "exact")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"realms": []}',
        '{"realms": {"ionman": []}}',
        document("app.x"),
        document({"uri": URI, "allow": ["register"]}),
        document({"uri": URI, "match": "regex", "allow": ["register"]}),
        document({"uri": URI, "match": "exact", "allow": None}),
    ],
)
def test_a_file_of_another_shape_refuses_everything_until_it_is_replaced(path: Path, text: str) -> None:
    rights = Rights(str(path), "ionman")
    assert rights.allow("service_demo", "register", URI, "exact")
    whole = path.read_text()
    path.write_text(text)
    assert not rights.allow("service_demo", "register", URI, "exact")
    assert "another shape" in rights.problem
    path.write_text(whole)
    assert rights.allow("service_demo", "register", URI, "exact")
    assert rights.problem == ""


class Lines:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, text: str, **values: object) -> None:
        self.lines.append(text.format(**values))


def test_a_file_that_is_not_there_is_told_once_and_again_after_it_was(path: Path) -> None:
    authorizer: Any = Authorizer()
    authorizer.config.extra = {"rights": str(path), "procedure": "ionman.router.authorize"}
    authorizer.log = Lines()
    authorizer.begin("ionman")
    details = {"authrole": "service_demo"}

    def asked(**more: bool) -> dict[str, bool]:
        answer: dict[str, bool] = authorizer.authorize(details, URI, "register", {"match": "exact", **more})
        return answer

    assert asked() == {"allow": True, "disclose": True, "cache": False}
    assert not asked(force_reregister=True)["allow"]
    for told in (1, 2):
        path.rename(path.with_name("away"))
        assert [asked()["allow"] for _ in range(3)] == [False] * 3
        assert len(authorizer.log.lines) == told
        path.with_name("away").rename(path)
        assert asked()["allow"]
    assert "it cannot be read: No such file or directory; services are refused" in authorizer.log.lines[0]
