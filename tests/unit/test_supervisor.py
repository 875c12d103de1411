"""Run scripts, before anything runs them."""

from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError
from ionman.hosts import supervisor
from ionman.hosts.layout import Layout
from ionman.hosts.supervisor import Program


def program(user: str | None = "ionman-demo") -> Program:
    return Program(
        name="demo.ab12cd34.1",
        command=("/opt/demo/1.0.0/venv/bin/twistd", "-n", "it's"),
        directory=Path("/opt/demo/1.0.0/app"),
        user=user,
        writable=(Path("/var/lib/ionman/state/demo"),),
        environment={"GREETING": "two words; $HOME"},
    )


@pytest.mark.parametrize("layout", [Layout(), Layout(Path("/home/me/io n"))], ids=["host", "folder"])
def test_scripts_are_shell(layout: Layout, tmp_path: Path) -> None:
    made = supervisor.files(layout, program(layout.user("demo")))
    for name in sorted(supervisor.EXECUTABLE & set(made)):
        (tmp_path / "script").write_text(made[name])
        assert process.run(["sh", "-n", tmp_path / "script"]).stdout == ""
    assert ("confine" in made) == layout.confined


def test_rights_are_taken_away_on_a_host_only() -> None:
    confine = supervisor.files(Layout(), program())["confine"]
    for flag in ("--reuid ionman-demo", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "env -i"):
        assert flag in confine
    assert "/run/ionman/demo.ab12cd34.1" in confine
    alone = supervisor.files(Layout(Path("/home/me")), program(None))["run"]
    assert "setpriv" not in alone
    assert "unshare" not in alone
    assert "env -i" in alone


def test_values_are_quoted() -> None:
    confine = supervisor.files(Layout(), program())["confine"]
    assert "GREETING='two words; $HOME' \\" in confine
    assert "twistd -n 'it'\"'\"'s'" in confine


def test_a_root_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="longer than a socket's name may be"):
        supervisor.install(Layout(tmp_path / ("x" * 80)), program(None))
