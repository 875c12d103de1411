"""The single-machine form: a real router and real services under a real svscan, in a folder of the caller's."""

from pathlib import Path

import pytest

from ionman.demo.local import INSTANCES, Local


def test_it_comes_up_changes_nothing_the_second_time_and_goes(tmp_path: Path) -> None:
    told: list[str] = []
    local = Local(tmp_path / "local", told.append)
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
    assert not (tmp_path / "local").exists()
    assert not _processes_of(tmp_path)


def _processes_of(place: Path) -> list[str]:
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.exists()]
    return [command.decode(errors="replace") for command in commands if str(place).encode() in command]


def test_an_interrupted_start_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = Local(tmp_path / "local", lambda _: None)

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
