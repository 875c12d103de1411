"""The single-machine form: a real router and real services under a real svscan, in a folder of the caller's."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman.demo.local import INSTANCES, Local
from tests.host import leftovers


@pytest.fixture
def short() -> Iterator[Path]:
    place = leftovers.folder()
    yield place
    shutil.rmtree(place)


def test_it_comes_up_changes_nothing_the_second_time_and_goes(short: Path) -> None:
    told: list[str] = []
    local = Local(short / "local", told.append)
    try:
        first = local.up()
        second = local.up()
    finally:
        gone = local.down()
    lines = dict(first.lines)
    assert list(lines) == ["release", "deb", "repo", "host", "router", "service", "call"]
    assert lines["service"].count(" pid ") == INSTANCES
    assert (first.changed, second.changed) == (True, False)
    assert lines["service"] == dict(second.lines)["service"]
    assert gone
    assert not (short / "local").exists()
    assert leftovers.processes(short) == []


def test_an_interrupted_start_is_finished_by_the_next(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = Local(short / "local", lambda _: None)

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    try:
        with monkeypatch.context() as patch:
            patch.setattr(Local, "_services", interrupted)
            with pytest.raises(KeyboardInterrupt):
                local.up()
        assert dict(local.up().lines)["call"].count("demo.") >= INSTANCES
    finally:
        local.down()
