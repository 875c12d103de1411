"""Every role alike: the same skeleton, arguments described, names that say whose they are, nothing the linter minds."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
SKELETON = ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml")
BIN = Path(sys.executable).parent

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def tasks(role: Path) -> list[dict[str, Any]]:
    files = [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]
    return [task for file in files for task in load(file)]


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@each_role
def test_the_skeleton(role: Path) -> None:
    assert [name for name in SKELETON if not (role / name).is_file()] == []


@each_role
def test_arguments_are_the_defaults(role: Path) -> None:
    defaults = load(role / "defaults/main.yml")
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert sorted(options) == sorted(defaults)
    assert [name for name in defaults if not name.startswith(f"{role.name}_")] == []
    assert [name for name, option in options.items() if not option.get("description")] == []


@each_role
def test_secrets_are_declared(role: Path) -> None:
    options = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    secret = [name for name in options if re.search(r"password|token|secret|signing_key", name)]
    assert [name for name in secret if not options[name].get("no_log")] == []


@each_role
def test_the_tasks_begin_with_a_table_of_contents(role: Path) -> None:
    for entry in load(role / "tasks/main.yml"):
        assert set(entry) <= {"name", "tags", "when", "ansible.builtin.import_tasks", "ansible.builtin.include_tasks"}


@each_role
def test_no_task_hides_a_failure_or_starts_a_shell(role: Path) -> None:
    for task in tasks(role):
        name = task.get("name")
        assert name, f"a task without a name: {task}"
        assert not {"ignore_errors", "ansible.builtin.shell", "ansible.builtin.raw", "shell"} & set(task), name
        assert task.get("failed_when") is not False, name
        for module, arguments in task.items():
            if module in ("ansible.builtin.template", "ansible.builtin.copy"):
                assert "validate" in arguments, f"{name}: a file lands without being validated"


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_every_playbook_can_be_read(playbook: Path) -> None:
    done = run(BIN / "ansible-playbook", "-i", "inventory/example", "--syntax-check", playbook)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_linter_has_nothing_to_say() -> None:
    """The production profile with an empty skip list, over everything that Ansible reads."""
    assert load(ROOT / ".ansible-lint")["skip_list"] == []
    done = run(BIN / "ansible-lint", "--nocolor", "-q", "roles", "playbooks", "tests/fleet/playbooks")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_is_silenced_in_place() -> None:
    files = [file for folder in ("roles", "playbooks") for file in (ROOT / folder).rglob("*.yml")]
    assert [file for file in files if re.search(r"#\s*noqa", file.read_text())] == []
