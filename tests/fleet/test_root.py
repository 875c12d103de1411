"""The clean root in which packages are built."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ionman.errors import CommandFailed
from ionman.lab import root


def test_changes_stay_within_the_block(tmp_path: Path) -> None:
    with root.clean_root() as clean:
        directory = clean.directory
        clean.run(["mkdir", "/build"])
        clean.run(["tee", "/build/file"], stdin="text")
        assert clean.run(["cat", "file"], cwd="/build").stdout == "text"
        assert clean.path("/build/file").read_text() == "text"
        clean.run(["cp", "/build/file", "/out/file"], bind={tmp_path: "/out"}, env={"UNUSED": "1"})
        assert (tmp_path / "file").read_text() == "text"
        with pytest.raises(CommandFailed, match="Read-only file system"):
            clean.run(["touch", "/in/file"], read={tmp_path: "/in"})
        assert "12" in clean.run(["cat", "/etc/debian_version"]).stdout
    assert not directory.exists()
    with root.clean_root() as clean:
        assert not clean.path("/build/file").exists()


def test_a_kill_leaves_no_process_and_no_mount_and_the_next_run_no_file() -> None:
    script = "from ionman.lab.root import clean_root\nwith clean_root() as r: r.run(['sleep', '98765'])\n"
    with subprocess.Popen([sys.executable, "-c", script]) as maker:
        deadline = time.monotonic() + 20
        while not (inside := running()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        maker.send_signal(signal.SIGKILL)
    while running():
        assert time.monotonic() < deadline, inside
        time.sleep(0.05)
    assert any(path.name.startswith(f"{maker.pid}-") for path in root.ROOTS.iterdir())
    with root.clean_root():
        assert not any(path.name.startswith(f"{maker.pid}-") for path in root.ROOTS.iterdir())


def running() -> list[str]:
    done = subprocess.run(["pgrep", "-f", "sleep 98765"], capture_output=True, text=True, check=False)
    return done.stdout.split()
