"""The inventory to copy: it parses, wants its secrets, and takes an encrypted vault."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from ionman import process
from ionman.plays.playbook import TREE

BIN = Path(sys.executable).parent
NAMES = ("vault_password_alice", "vault_password_ops", "vault_password_demo")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    shutil.copytree(TREE / "inventory/example", place)
    return place


def run(command: str, *arguments: str | Path) -> tuple[int, str]:
    environment = {**os.environ, "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = process.run([BIN / command, *arguments], cwd=TREE, env=environment, check=False, timeout=120)
    return done.returncode, done.stdout


def test_a_secret_that_is_not_set_stops_with_its_name(mine: Path) -> None:
    _, output = run("ansible", "-i", mine, "build", "-m", "debug", "-a", "msg={{ call_password }}")
    assert "set vault_password_alice in group_vars/all/vault.yml" in output


def test_an_encrypted_vault_fills_them_in(mine: Path, tmp_path: Path) -> None:
    vault = mine / "group_vars/all/vault.yml"
    vault.write_text("".join(f"{name}: secret-of-{name}\n" for name in NAMES))
    password = tmp_path / "password"
    password.write_text("test\n")
    status, output = run("ansible-vault", "encrypt", vault, "--vault-password-file", password)
    assert (status, vault.read_text().startswith("$ANSIBLE_VAULT")) == (0, True), output
    message = "msg='{{ router_realms[0].users | length }} {{ call_password }}'"
    ask = ("-i", mine, "build", "-m", "debug", "-a", message, "--vault-password-file", password)
    status, output = run("ansible", *ask)
    assert (status, "2 secret-of-vault_password_alice" in output) == (0, True), output


@pytest.mark.parametrize("playbook", sorted(path.name for path in (TREE / "playbooks").glob("*.yml")))
def test_every_playbook_takes_it(mine: Path, playbook: str) -> None:
    status, output = run("ansible-playbook", "-i", mine, f"playbooks/{playbook}", "--syntax-check")
    assert status == 0, output


def test_it_names_what_the_lab_names(mine: Path) -> None:
    """Nobody who copies the example misses a variable that the lab sets for a deploy."""

    def keys(path: Path) -> set[str]:
        return {line.partition(":")[0] for line in path.read_text().splitlines() if line[:1].isalpha()}

    labs_own = {"demo_version", "certificate_names", "certificate_extra_names", "repo_name", "router_names"}
    labs_own |= {"router_origins", "lab_password_alice", "lab_password_ops", "lab_password_demo"}
    lab = keys(TREE / "inventory/lab/group_vars/all.yml") - labs_own
    assert lab <= keys(mine / "group_vars/all/main.yml")
