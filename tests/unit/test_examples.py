"""The example application's own tests pass, in both its versions."""

import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from ionman import process

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_the_example_tests_itself(tmp_path: Path, version: str) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(EXAMPLES / "demo", folder)
    if version != "1.0.0":
        shutil.copytree(EXAMPLES / f"demo-{version}", folder, dirs_exist_ok=True)
    assert tomllib.loads((folder / "pyproject.toml").read_text())["project"]["version"] == version
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = process.run(command, cwd=folder, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "22 passed" in done.stdout


def test_the_lock_is_the_runtime_s() -> None:
    locks = EXAMPLES.parent / "packaging" / "locks"
    assert (EXAMPLES / "demo" / "requirements.lock").read_text() == (locks / "runtime.txt").read_text()
