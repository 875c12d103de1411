"""Releases that nothing is built from, each with a message that says what to do; and what an interruption leaves."""

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ionman.debs.builder import TREE
from ionman.debs.dist import State, Wish, apply
from ionman.errors import InputError
from ionman.lab.github import Double
from ionman.lab.releases import publish_files, read_tree

Files = dict[str, tuple[bytes, int]]
Attempt = Callable[[Files], str]


@pytest.fixture
def demo() -> Files:
    """The files of the demo, to be spoilt."""
    return read_tree(TREE / "examples/demo")


@pytest.fixture
def attempt(double: Double, tmp_path: Path, request: pytest.FixtureRequest) -> Attempt:
    """Publishes files, tries to build them, and returns the message; asserts that nothing was built."""
    repository = f"spoilt/{re.sub('[^a-z]+', '-', request.node.name)[5:25].strip('-')}"

    def tried(files: Files) -> str:
        publish_files(files, double.shelf.folder, repository, "v1.0.0")
        with pytest.raises(InputError) as caught:
            apply(State(tmp_path / "dist", double.url, releases=(Wish(repository, "v1.0.0"),)), print)
        assert list((tmp_path / "dist").iterdir()) == []
        assert caught.value.remedy
        return str(caught.value)

    return tried


def change(files: Files, name: str, old: str, new: str) -> Files:
    data, mode = files[name]
    text = data.decode()
    assert re.search(old, text)
    return files | {name: (re.sub(old, new, text, count=1).encode(), mode)}


def test_no_lock(demo: Files, attempt: Attempt) -> None:
    del demo["requirements.lock"]
    message = attempt(demo)
    assert "has no requirements.lock, nothing was built" in message
    assert "cp packaging/locks/runtime.txt" in message
    assert "uv pip compile --python-version 3.11 --generate-hashes" in message


def test_hashes_that_do_not_match(demo: Files, attempt: Attempt) -> None:
    lines = demo["requirements.lock"][0].decode()
    spoilt = re.sub(r"(?m)^(click==.*\\\n)(?:\s+--hash=.*\n)+", rf"\1    --hash=sha256:{'0' * 64}\n", lines)
    assert spoilt != lines
    message = attempt(demo | {"requirements.lock": (spoilt.encode(), 0o644)})
    assert "cannot be installed, nothing was built" in message
    assert "click" in message


def test_a_lock_that_lacks_something(demo: Files, attempt: Attempt) -> None:
    lines = demo["requirements.lock"][0].decode()
    spoilt = re.sub(r"(?m)^zope-interface==.*\\\n(?:\s+--hash=.*\n)+", "", lines)
    assert spoilt != lines
    message = attempt(demo | {"requirements.lock": (spoilt.encode(), 0o644)})
    assert "is not whole, nothing was built" in message
    assert "zope-interface" in message


def test_a_service_that_does_not_load(demo: Files, attempt: Attempt) -> None:
    message = attempt(change(demo, "demo.py", r"Modules = \[", "Modules = ['nowhere', "))
    assert "demo.py of" in message
    assert "nowhere" in message
    assert "Traceback" not in message


def test_a_file_that_is_no_python(demo: Files, attempt: Attempt) -> None:
    message = attempt(demo | {"tool.py": (b"def f(:\n", 0o644)})
    assert "tool.py" in message
    assert "Traceback" not in message


def test_changed_bytes(double: Double, demo: Files, tmp_path: Path) -> None:
    place = publish_files(demo, double.shelf.folder, "spoilt/changed", "v1.0.0")
    with (place / "assets/changed-1.0.0.tar.gz").open("ab") as file:
        file.write(b"!")
    with pytest.raises(InputError, match="one of them was changed"):
        apply(State(tmp_path, double.url, releases=(Wish("spoilt/changed", "v1.0.0"),)), print)
    with pytest.raises(InputError, match="the bytes do not match, nothing was built"):
        apply(State(tmp_path, double.url, releases=(Wish("spoilt/changed", "v1.0.0", f"sha256:{'0' * 64}"),)), print)
    assert list(tmp_path.iterdir()) == []


def test_a_release_that_does_not_exist(double: Double, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such release"):
        apply(State(tmp_path, double.url, releases=(Wish("ionman/demo", "v9.9.9"),)), print)


def test_other_bytes_under_a_version_that_was_built(double: Double, demo: Files, tmp_path: Path) -> None:
    state = State(tmp_path, double.url, releases=(Wish("spoilt/again", "v1.0.0"),))
    publish_files(demo, double.shelf.folder, "spoilt/again", "v1.0.0")
    assert [outcome.changed for outcome in apply(state, print)] == [True]
    publish_files(demo | {"new.txt": (b"1", 0o644)}, double.shelf.folder, "spoilt/again", "v1.0.0", replace=True)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(InputError, match="a version means one content"):
        apply(state, print)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGKILL])
def test_an_interruption_leaves_no_half_package(double: Double, tmp_path: Path, name: signal.Signals) -> None:
    command = [sys.executable, "-m", "ionman.command.main", "deb", "build", "ionman/demo", "v1.0.0"]
    command += ["--github", double.url, "--output", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        for line in program.stderr:
            if "byte-code" in line:
                break
        program.send_signal(name)
        said = program.stderr.read()
        assert program.wait(30) == (130 if name is signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.deb"))
    started = time.monotonic()
    again = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert time.monotonic() - started < 60
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".deb", ".json"]
    shutil.rmtree(tmp_path)
