"""`ionman probe` as it is typed: around a command, for a time, and the checker on a file."""

import json
import sys
from pathlib import Path

import pytest

from ionman import process
from tests.crossbar import Crossbar
from tests.probe.fleet import SERVICE, Instances

IONMAN = Path(sys.executable).with_name("ionman")


@pytest.fixture
def config(tmp_path: Path, router: Crossbar) -> Path:
    path = tmp_path / "call.ini"
    keys = {"realm": "ionman", "user": "ops", "password": router.users["ops"], "routers": router.address}
    path.write_text("".join(f"{key} = {value}\n" for key, value in keys.items()) + f"ca = {router.ca}\n")
    path.chmod(0o600)
    return path


def ionman(*arguments: object) -> tuple[int, str]:
    done = process.run([IONMAN, "probe", *(str(one) for one in arguments)], check=False, timeout=120)
    return done.returncode, done.stdout


def test_around_a_command(instances: Instances, config: Path, tmp_path: Path) -> None:
    for _ in range(2):
        instances.start("aaaaaaaa")
    history = tmp_path / "history.jsonl"
    options = ["--config", config, "--history", history, "--callers", 3, "--around", 1, "--ratio", 0]
    status, said = ionman(SERVICE, *options, "--callees", 2, "--", "echo", "rolling now")
    assert status == 0, said
    assert "rolling now\n" in said
    assert "0 lost, 0 doubled, 0 wrong" in said
    assert said.rstrip().splitlines()[-2:] == ["  verdict   clean", f"  history   {history}"]
    assert history.stat().st_mode & 0o777 == 0o600
    assert ionman("check", history)[0] == 0
    status, said = ionman("check", history, "--callees", 3, "--json")
    assert status == 1
    assert json.loads(said)["faults"] == ["only 2 callees at one time, and 3 were asked for"]
    status, said = ionman(SERVICE, *options, "--", "sh", "-c", "exit 7")
    assert status == 7, said
    assert "0 lost" in said


def test_for_a_time(instances: Instances, config: Path, tmp_path: Path) -> None:
    """Nobody answers: every call is lost, and the command says so."""
    options = ["--config", config, "--history", tmp_path / "history.jsonl", "--rate", 50, "--seconds", 0.5]
    status, said = ionman(SERVICE, *options)
    assert status == 1
    assert "wamp.error.no_such_procedure" in said
    assert "Traceback" not in said
    instances.start("aaaaaaaa")
    uri = ["--uri", "ionman.service.probed.probe", "--argv", '{"n": "{n}"}']
    assert ionman(SERVICE, *options, *uri, "--answer", '{"n": "{n}"}')[0] == 0
    status, said = ionman(SERVICE, *options, *uri, "--answer", '{"version": "9"}')
    assert status == 1
    assert "wrong: the first is number 1" in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["demo"], 78, "--config"),
        (["demo", "--config", "nosuch.ini"], 78, "nosuch.ini"),
        (["demo", "--rate", "0"], 65, "--callers"),
        (["demo", "--argv", "{}"], 65, "--uri"),
        (["demo", "--uri", "a.b"], 65, "--argv is missing"),
        (["check", "nosuch.jsonl"], 71, "nosuch.jsonl"),
        (["--help"], 0, "SERVICE"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], status: int, said: str) -> None:
    code, text = ionman(*arguments)
    assert (code, said in text, "Traceback" in text) == (status, True, False), text
