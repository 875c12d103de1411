"""roles/deb through ansible-playbook: what would be built, built once, then left alone; and how it fails."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from ionman import process
from ionman.debs.builder import TREE
from ionman.lab.github import Double
from ionman.lab.releases import publish_files, read_tree, token

RELEASE = {"repository": "ionman/private", "tag": "v1.0.0", "app": "hidden"}


def play(folder: Path, double: Double, *arguments: str, **release: Any) -> str:
    """Run playbooks/deb.yml for one release, and return what it printed."""
    controller = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    wanted = {"deb_github_url": double.url, "deb_output": str(folder), "deb_releases": [release], "deb_tools": []}
    inventory = folder.with_name("inventory.json")
    inventory.write_text(json.dumps({"build": {"hosts": {"controller": controller}, "vars": wanted}}))
    ansible = Path(sys.executable).with_name("ansible-playbook")
    command = [str(ansible), "-v", "-i", str(inventory), "playbooks/deb.yml", *arguments]
    return process.run(command, cwd=TREE, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, check=False).stdout


def test_what_would_be_built_is_built_and_left_alone(double: Double, tmp_path: Path) -> None:
    secret = token(double.shelf.folder)
    package = tmp_path / "dist/hidden-1.0.0_1.0.0-1_amd64.deb"
    for mode, changed in (("--check", 1), ("--diff", 1), ("--diff", 0), ("--check", 0)):
        before = package.exists()
        output = play(package.parent, double, mode, "--diff", **RELEASE, token=secret)
        assert f"changed={changed}" in output, output
        assert ("+hidden-1.0.0 1.0.0-1" in output) is bool(changed)
        assert secret not in output
        assert package.exists() is (before or mode != "--check")


def test_a_private_release_without_a_token(double: Double, tmp_path: Path) -> None:
    output = play(tmp_path / "dist", double, **RELEASE)
    assert "the repository is private and no token was given" in output
    assert "give a token that may read its contents" in output
    assert "Traceback" not in output


def test_a_release_without_a_lock(double: Double, tmp_path: Path) -> None:
    """The whole message, though its remedy names ionman too."""
    files = read_tree(TREE / "examples/demo")
    del files["requirements.lock"]
    publish_files(files, double.shelf.folder, "spoilt/role-no-lock", "v1.0.0")
    output = play(tmp_path / "dist", double, repository="spoilt/role-no-lock", tag="v1.0.0")
    assert "spoilt/role-no-lock v1.0.0 has no requirements.lock, nothing was built" in output
    assert "cp packaging/locks/runtime.txt" in output


def test_a_key_that_nobody_knows(double: Double, tmp_path: Path) -> None:
    assert "sha256" in play(tmp_path / "dist", double, **RELEASE, sha256="x")
