"""The README as a new user follows it: its commands, its code and its YAML, as they stand there."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import CommandFailed
from ionman.lab.hosts import Standing
from ionman.plays.playbook import TREE
from tests.fleet.deploy import BIN, call

README = (TREE / "README.md").read_text()
BY_HAND = "tests/host/test_local.py does it in a folder of its own"
# Run by other means, each for its reason.
ELSEWHERE = {
    "make demo": "test_deploy.py runs what it runs; it sets up a checkout, which this one is already",
    "make test": "is this",
    ". .venv/bin/activate": "the tests run in that environment",
    "ansible-vault encrypt inventory/mine/group_vars/all/vault.yml": "asks for a password: test_example.py",
    "ansible-playbook -i inventory/mine --ask-vault-pass playbooks/deploy.yml": "asks for a password: test_example.py",
    "ionman demo --local": BY_HAND,
    "cp ~/.local/state/ionman/local/service.ini hello/config.ini": BY_HAND,
    "hello/hello.py": BY_HAND,
    'ionman call --config ~/.local/state/ionman/local/call.ini app.hello.greet \'{"name": "World"}\'': BY_HAND,
    "ionman demo --local --down": BY_HAND,
    "ionman rollback demo -i inventory/lab": "test_deploy.py goes back, and what was left is not deployed again",
    "ionman lab down": "the lab is taken down by its fixture",
}


def commands() -> list[str]:
    """The README's commands: the lines indented by four spaces, without its pictures."""
    lines = [line[4:].split("  #")[0].strip() for line in README.splitlines() if line.startswith("    ")]
    return [line for line in lines if re.match(r"(make|ionman|ansible-|cp|hello/|\.) ?", line)]


def block(language: str) -> str:
    """The first block of code in `language`."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def checkout(chain_lab: Standing, first_report: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what a user edits, beside the rest of this checkout."""
    place = tmp_path_factory.mktemp("checkout")
    for name in ("playbooks", "roles", "ansible.cfg"):
        (place / name).symlink_to(TREE / name)
    shutil.copytree(TREE / "inventory", place / "inventory")
    yield place
    # The chain's own state again: the service that was tried goes.
    play(chain_lab, place, TREE / "inventory/lab", "-e", "service_allow_gap=true")


def environment(lab: Standing) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "IONMAN_LAB": lab.lab.name}


def play(lab: Standing, place: Path, inventory: Path, *arguments: str) -> str:
    command: list[str | Path] = ["ansible-playbook", "-i", inventory, "playbooks/deploy.yml", *arguments]
    return process.run(command, cwd=place, env=environment(lab), timeout=300).stdout


def edit(place: Path) -> None:
    """Put the README's entries into the inventory's lists, as it tells."""
    variables = place / "inventory/lab/group_vars/all.yml"
    text = variables.read_text()
    for part in re.split(r"^(?=\w)", block("yaml"), flags=re.MULTILINE):
        if part:
            name, _, entries = part.partition("\n")
            text = text.replace(f"{name}\n", f"{name}\n{entries}", 1)
    variables.write_text(text)


def test_every_command_is_run_here_or_accounted_for() -> None:
    assert set(ELSEWHERE) < set(commands())
    assert len(commands()) > len(ELSEWHERE) + 5


def test_its_service_is_what_new_makes_of_it_and_is_deployed(chain_lab: Standing, checkout: Path) -> None:
    for command in commands():
        if command in ELSEWHERE:
            continue
        words = shlex.split(command.replace("/lab/demo/", f"/lab/{chain_lab.lab.name}/"))
        if command.startswith("ionman release publish"):
            assert block("python") in (checkout / "hello/modules/hello.py").read_text()
            edit(checkout)
            words += ["--lab", chain_lab.lab.name]
        done = process.run(words, cwd=checkout, env=environment(chain_lab), timeout=300, check=False)
        assert done.returncode == 0 or _only_slow(done.stdout), done.stdout
        if command.startswith("ionman call"):
            assert done.stdout == '{"status": "OK", "result": "Hello World, says alice"}\n'
        if "--check" in words:
            assert "failed=0" in done.stdout


def _only_slow(output: str) -> bool:
    """Whether a probe found no other fault: how long calls take says nothing here, while other tests have the cores."""
    faults = [line for line in output.splitlines() if line.startswith("  FAULT ")]
    return bool(faults) and all(" slow: " in line for line in faults)


def test_its_service_goes_only_when_somebody_says_so_and_until_then_it_answers(
    chain_lab: Standing, checkout: Path
) -> None:
    """The inventory of the chain does not list it: with the router's next configuration it would lose its login."""
    with pytest.raises(CommandFailed, match="hello would run on no host any more") as caught:
        play(chain_lab, checkout, TREE / "inventory/lab")
    assert "deploy FAILED on host1; no service was changed" in caught.value.output
    assert call(chain_lab, "app.hello.greet", '{"name": "World"}')[0] == 0
