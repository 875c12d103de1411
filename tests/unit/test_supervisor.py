"""Run scripts and units, before anything runs them."""

from dataclasses import replace
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError, NotPossible
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


def test_what_paces_a_unit_is_shell(tmp_path: Path) -> None:
    made = supervisor.files(Layout(), replace(program(), supervisor="systemd", gentle=True))
    (tmp_path / "script").write_text(made["pace.sh"])
    assert process.run(["sh", "-n", tmp_path / "script"]).stdout == ""


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


def test_a_unit_takes_words_as_they_are() -> None:
    """systemd.syntax(7): quotes, specifiers and variables mean nothing in them."""
    odd = replace(program(), supervisor="systemd", command=("/bin/x", "a b", '"$HOME" %h\\', "two\nlines"))
    unit = supervisor.files(Layout(), odd)["service"]
    assert 'ExecStart="/bin/x" "a b" "\\"$$HOME\\" %%h\\\\" "two\\nlines"\n' in unit
    assert 'Environment="GREETING=two words; $HOME"\n' in unit


def test_a_unit_says_how_it_starts_and_ends() -> None:
    one = replace(program(), supervisor="systemd", drain_timeout=30)
    made = supervisor.files(Layout(), one)
    unit = made["service"].splitlines()
    assert {"Type=exec", "TimeoutStopSec=36", "Restart=always", "KillMode=mixed", "LimitDATA=512M"} <= set(unit)
    assert "Type=notify" in supervisor.files(Layout(), replace(one, notify=True))["service"]
    assert "CPUWeight" not in made["pace.sh"]
    assert "CPUWeight=20" in supervisor.files(Layout(), replace(one, gentle=True))["pace.sh"]
    (pace,) = (line for line in unit if line.startswith("ExecStartPre="))
    assert pace == 'ExecStartPre=-+/bin/sh "/var/lib/ionman/supervise/demo.ab12cd34.1/pace.sh"'


def test_gentle_is_for_accounts_of_their_own() -> None:
    assert "renice" in supervisor.files(Layout(), replace(program(), gentle=True))["run"]
    assert "renice" not in supervisor.files(Layout(), program())["run"]
    assert "renice" not in supervisor.files(Layout(Path("/home/me")), replace(program(None), gentle=True))["run"]


def test_systemd_is_for_a_host_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="not below"):
        supervisor.install(Layout(tmp_path), replace(program(None), supervisor="systemd"))
    with pytest.raises(InputError, match="no supervisor 'runit'"):
        supervisor.install(Layout(tmp_path), replace(program(None), supervisor="runit"))
    assert supervisor.installed(Layout(tmp_path)) == []


def test_a_folder_says_whose_it_is(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    one = program(None)
    assert supervisor.kind(layout, one.name) == "svc"
    place = layout.program(one.name)
    place.parent.mkdir(parents=True)
    for kind in ("svc", "systemd", "svc"):
        supervisor.update(place, supervisor.files(layout, replace(one, supervisor=kind)))
        assert supervisor.kind(layout, one.name) == kind
