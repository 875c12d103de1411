"""The relay before a real multilog, whose disk is really full."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import process
from ionman.hosts import logrelay

RELAY = Path(logrelay.__file__)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A relay before multilog on a disk of 96 kB, in a mount namespace that ends with it."""
    script = (
        f'mount -t tmpfs -o size=96k tmpfs "$0" && cd "$0" && exec {sys.executable} -IS "$1" multilog t s1000000 n10 .'
    )
    command: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, tmp_path, RELAY]
    relay = process.start(command, stdin=subprocess.PIPE, die_with_parent=True)
    yield relay
    relay.kill()
    relay.wait()
    assert relay.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        relay.stdin.close()


def current(relay: subprocess.Popen[bytes]) -> str:
    path = Path(f"/proc/{relay.pid}/cwd/current")
    return path.read_text() if path.exists() else ""


def test_a_full_disk_never_stops_the_writer(full: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert full.stdin is not None
    line = b"x" * 99 + b"\n"
    start = time.monotonic()
    for _ in range(40_000):
        full.stdin.write(line)
    full.stdin.flush()
    assert time.monotonic() - start < 10  # 4 MB through a pipe of 64 kB: it is being read

    enter = ["nsenter", f"--mount=/proc/{full.pid}/ns/mnt"]
    process.run([*enter, "mount", "-o", "remount,size=16m", tmp_path])
    deadline = time.monotonic() + 30  # multilog looks again after 5 s
    while "were dropped here" not in current(full):
        assert time.monotonic() < deadline, "the relay did not say what it dropped"
        time.sleep(0.2)
    full.stdin.write(b"after it\n")
    full.stdin.close()
    log = full.pid
    assert full.wait(10) == 0
    assert not Path(f"/proc/{log}").exists()


def test_it_counts_every_line(full: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert full.stdin is not None
    sent = 40_000
    full.stdin.write(b"".join(b"%099d\n" % number for number in range(sent)))
    full.stdin.flush()
    process.run(["nsenter", f"--mount=/proc/{full.pid}/ns/mnt", "mount", "-o", "remount,size=16m", tmp_path])
    deadline = time.monotonic() + 30
    while "were dropped here" not in current(full):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    folder = Path(f"/proc/{full.pid}/cwd")
    lines = [line for path in folder.glob("[@c]*") for line in path.read_text().splitlines()]
    dropped = sum(int(line.split("; ")[1].split(" lines")[0]) for line in lines if "were dropped here" in line)
    kept = sum(line.split(" ", 1)[1].isdigit() for line in lines)
    assert dropped > 10_000
    assert kept + dropped == sent


def test_a_logger_that_ends_is_started_again(tmp_path: Path) -> None:
    script = f"echo $$ >>{tmp_path}/pids; exec cat >>{tmp_path}/out"
    relay = process.start(
        [sys.executable, "-IS", RELAY, "sh", "-c", script], stdin=subprocess.PIPE, die_with_parent=True
    )
    assert relay.stdin is not None
    relay.stdin.write(b"one\n")
    relay.stdin.flush()
    while not (tmp_path / "out").exists() or not (tmp_path / "out").read_text():
        time.sleep(0.05)
    os.kill(int((tmp_path / "pids").read_text()), signal.SIGKILL)
    time.sleep(0.2)
    relay.stdin.write(b"two\n")
    relay.stdin.close()
    assert relay.wait(10) == 0
    assert (tmp_path / "out").read_text() == "one\ntwo\n"


def test_term_ends_it_after_what_was_read(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-IS", RELAY, "sh", "-c", f"exec cat >{tmp_path}/out"]
    relay = process.start(command, stdin=subprocess.PIPE, die_with_parent=True)
    assert relay.stdin is not None
    relay.stdin.write(b"begun")
    relay.stdin.flush()
    while not (tmp_path / "out").exists():
        time.sleep(0.05)
    relay.send_signal(signal.SIGTERM)
    assert relay.wait(10) == 0
    relay.stdin.close()
    assert (tmp_path / "out").read_text() == "begun\n"


def test_term_ends_it_after_what_waits_in_a_pipe_without_end(tmp_path: Path) -> None:
    """systemd holds the pipe open, so its end never comes."""
    command: list[str | Path] = [sys.executable, "-IS", RELAY, "sh", "-c", f"exec cat >{tmp_path}/out"]
    relay = process.start(command, stdin=subprocess.PIPE, die_with_parent=True)
    assert relay.stdin is not None
    while not (tmp_path / "out").exists():
        time.sleep(0.05)
    relay.send_signal(signal.SIGSTOP)
    relay.stdin.write(b"last words\n")
    relay.stdin.flush()
    relay.send_signal(signal.SIGTERM)
    relay.send_signal(signal.SIGCONT)
    assert relay.wait(10) == 0
    relay.stdin.close()
    assert (tmp_path / "out").read_text() == "last words\n"
