"""Where a rollback goes, when the hosts do not remember the same."""

from typing import Any

import pytest

from ionman import target
from ionman.errors import InputError

Json = dict[str, Any]


def memory(*running: str, back: tuple[str, str] | None = None, **marks: Any) -> Json:
    """`marks`: generation -> when it was marked as good; after a dash as failed, and then its entry is not kept."""
    records = {
        name: {
            "mark": "failed" if when[0] == "-" else "good",
            "when": when.lstrip("-"),
            "why": "",
            "version": "1",
            "kept": when[0] != "-",
        }
        for name, when in marks.items()
    }
    ran = {"generation": back[0], "version": "1", "instances": 1} if back else None
    pending = {"to": back[1], "ran": ran, "tried": False, "back": True} if back else None
    return {"running": list(running), "pending": pending, "records": records}


ALL: Json = {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        pytest.param({"h1": memory("b", **ALL), "h2": memory("b", **ALL)}, {"h1": "a", "h2": "a"}, id="the same"),
        pytest.param(
            {"h1": memory("c", **ALL, c="4"), "h2": memory("c", a="1", b="-3", c="4"), "h3": memory("c", c="4", a="1")},
            {"h1": "a", "h2": "a", "h3": "a"},
            id="h1 had no instance when b was rolled back",
        ),
        pytest.param({"h1": memory("b", **ALL), "h2": memory("b", b="2")}, {"h1": "a", "h2": "a"}, id="h2 came with b"),
        pytest.param(
            {"h1": memory("a", a="3", b="-3"), "h2": memory("b", **ALL)}, {"h1": "a", "h2": "a"}, id="only h1 is back"
        ),
        pytest.param(
            {"h1": memory("a", "b", back=("b", "a"), **ALL), "h2": memory("b", **ALL), "h3": memory("b", b="2")},
            {"h1": "a", "h2": "a", "h3": "a"},
            id="h1 is half back",
        ),
        pytest.param(
            {"h1": memory("c", **ALL, c="3"), "h2": memory("b", **ALL), "h3": memory("b", **ALL)},
            {"h1": "b", "h2": "b", "h3": "b"},
            id="a deploy ended after h1",
        ),
        pytest.param(
            {"h1": memory("b", "new", **ALL), "h2": memory("b", **ALL)},
            {"h1": "b", "h2": "b"},
            id="a deploy ended within h1",
        ),
        pytest.param(
            {"h1": memory("b1", a1="1", b1="2"), "h2": memory("b2", a2="1", b2="2")},
            {"h1": "a1", "h2": "a2"},
            id="a configuration for each host",
        ),
        pytest.param({"h1": memory("b", **ALL), "h2": memory(**ALL)}, {"h1": "a"}, id="nothing runs on h2"),
        pytest.param({"h1": memory("b", b="2"), "h2": memory(**ALL)}, {"h1": "a"}, id="only h2 knows, and runs none"),
    ],
)
def test_all_hosts_go_to_what_was_good_last(known: Json, expected: dict[str, str]) -> None:
    assert target.choose(known, "demo") == expected


def test_where_nothing_was_good_before_nothing_is_changed() -> None:
    with pytest.raises(InputError, match="demo: no generation before b was good on any host"):
        target.choose({"h1": memory("b", b="2"), "h2": memory("b", a="-1", b="2")}, "demo")


def test_who_lends_what_another_host_does_not_have() -> None:
    known = {"h1": memory("b", b="2"), "h2": memory("b", a="-1", b="2"), "h3": memory("b", **ALL), "h4": memory(**ALL)}
    assert [target.lender(known, host, "a") for host in known] == ["h3", "h3", "", ""]
    assert target.lender({"h1": known["h1"]}, "h1", "a") == ""
