"""A service of one's own: it is complete, it runs, and nothing is overwritten."""

import json
import sys
from pathlib import Path

import pytest

from ionman import new, process, settings
from ionman.errors import InputError
from ionman.testing import Service

ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, cwd: Path) -> tuple[int, str]:
    done = process.run(arguments, cwd=cwd, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("name", "uri"), [("shop", "app.shop"), ("my-shop2", "app.my.shop2")])
def test_a_new_service_has_what_it_needs(tmp_path: Path, name: str, uri: str) -> None:
    status, said = run(Path(sys.executable).parent / "ionman", "new", name, cwd=tmp_path)
    assert status == 0, said
    folder, stem = tmp_path / name, name.replace("-", "_")
    assert f"{name}/requirements.lock" in said
    assert Service(folder / f"{stem}.py").procedures == [f"{uri}.announce", f"{uri}.greet"]
    chosen = settings.read(folder / "config.ini", stem, {})
    assert chosen.own == {"app_greeting": "Hello"}
    status, said = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder)
    assert status == 0, said
    assert "3 passed" in said
    status, said = run(sys.executable, "-m", "ionman.runtime.declare", f"{stem}.py", cwd=folder)
    assert json.loads(said)["topics"] == [f"{uri}.news"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")
    with pytest.raises(InputError, match="not empty; nothing was written"):
        new.write("shop", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "shop.py" in new.write("shop", tmp_path / "empty")


@pytest.mark.parametrize("name", ["", "Shop", "2go", "my shop", "shop-", "../x", "a" * 41, "json"])
def test_a_name_that_gives_no_uri(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a service's name"):
        new.files(name)


def test_the_lock_covers_what_is_needed() -> None:
    lock = (ROOT / "packaging" / "locks" / "runtime.txt").read_text().lower()
    for line in new.needed():
        name = line.split("=")[0].split(">")[0].split("[")[0].strip().lower()
        assert f"\n{name}==" in f"\n{lock}" or f"\n{name}[" in f"\n{lock}", name
