"""The single-machine form: a real router and real services under a real svscan, in a folder of the caller's."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import process
from ionman.demo.local import INSTANCES, Local
from tests.host import leftovers

BIN = Path(sys.executable).parent


@pytest.fixture
def short() -> Iterator[Path]:
    place = leftovers.folder()
    yield place
    shutil.rmtree(place)


def by_hand(short: Path, root: Path) -> str:
    """Begin a service, run it with the configuration that the form made for it, call it, end it."""
    process.run([BIN / "ionman", "new", "hello"], cwd=short)
    shutil.copy(root / "service.ini", short / "hello/config.ini")
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    process.run(["./hello.py", "background"], cwd=short / "hello", env=environment)
    try:
        argv = '{"name": "World"}'
        return process.run([BIN / "ionman", "call", "--config", root / "call.ini", "app.hello.greet", argv]).stdout
    finally:
        process.run(["./hello.py", "stop"], cwd=short / "hello", env=environment)


def test_it_comes_up_changes_nothing_the_second_time_and_goes(short: Path) -> None:
    told: list[str] = []
    local = Local(short / "local", told.append)
    try:
        first = local.up()
        second = local.up()
        answered = by_hand(short, local.root)
    finally:
        gone = local.down()
    assert answered == '{"status": "OK", "result": "Hello World, says alice"}\n'
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
