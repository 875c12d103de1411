"""What the router's guard and log are told, and how an entry that a peer caused is written."""

import warnings
from typing import Any

import pytest

from ionman.routers.limits import components

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "'crypt' is deprecated", DeprecationWarning)  # passlib, which Autobahn imports
    from ionman.routers.peerlog import LENGTH, Allowance, plain

REALMS = {"realms": [{"name": "ionman"}]}


def told(**keys: Any) -> dict[str, Any]:
    log, guard = components(REALMS | keys, "ionman_guard", "ionman_peerlog")
    assert (log["classname"], guard["classname"]) == ("ionman_peerlog.PeerLog", "ionman_guard.Guard")
    extra: dict[str, Any] = guard["extra"]
    return extra


def test_limits_are_on_by_default_and_follow_the_description() -> None:
    usual = told()
    assert (usual["login"], usual["address"], usual["strangers"]) == (10, 2000, 2500)
    own = told(login_timeout=3, max_connections_per_address=30, max_connections=80, max_message_size=16 << 20)
    assert (own["login"], own["address"], own["strangers"]) == (3, 30, 40)
    assert own["unsent"] >= 2 * (16 << 20)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("one\ntwo\n", "one\n    | two"),
        ("2026-11-24 [Controller] forged\r\x1b[2J", "2026-11-24 [Controller] forged??[2J"),
        ("\x1b[33mcoloured\x1b[0m by Crossbar", "coloured by Crossbar"),
        ("right to left: \u202e, and a line: \u2028", "right to left: ?, and a line: ?"),
        ("{'scram_server_signature': 'JRiHgKl3=', 'x': 1}", "{'scram_server_signature': ..., 'x': 1}"),
        ("Grüße, 世界", "Grüße, 世界"),
    ],
)
def test_an_entry_cannot_look_like_another(text: str, written: str) -> None:
    assert plain(text) == written


def test_a_long_entry_is_cut() -> None:
    assert len(plain("x" * 1_000_000)) < LENGTH + 100


def test_each_address_has_an_allowance_and_what_is_left_out_is_counted() -> None:
    allowance = Allowance(most=3, of_all=5)
    assert [allowance.take("a") for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take("b") for _ in range(3)] == [True, True, False]
    assert dict(allowance.over()) == {"a": 2, "b": 1}
    assert allowance.take("a")
    assert dict(allowance.over()) == {}
