"""The one place where processes are started.

Arguments are always lists: nothing goes through a shell. Secrets go in on standard input, never on the command line.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from ionman.errors import CommandFailed, Late, NotPossible

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PIPE = subprocess.PIPE  # for `start`
_libc = ctypes.CDLL(None, use_errno=True)


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    check: bool = True,
    umask: int = -1,
) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end and return it with `stdout` (errors joined in) as text.

    `env` replaces the environment when given; `timeout` is in seconds.
    Raises `CommandFailed` for another status than 0 (unless `check` is False), `Late` when `timeout` passed,
    `NotPossible` when the program is not there.
    """
    arguments = [str(part) for part in command]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            arguments,
            input=data if data is not None else b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            timeout=timeout,
            check=False,
            umask=umask,
        )
    except FileNotFoundError as error:
        raise NotPossible(f"{arguments[0]} cannot be started: {error.strerror}", remedy="install it") from error
    except subprocess.TimeoutExpired as error:
        raise Late(f"{arguments[0]} did not end within {timeout:g} s") from error
    text = done.stdout.decode(errors="replace")
    if check and done.returncode != 0:
        raise CommandFailed(" ".join(arguments[:3]), done.returncode, text)
    return subprocess.CompletedProcess(arguments, done.returncode, text, "")


def start(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | IO[Any] | None = subprocess.DEVNULL,
    stderr: int | IO[Any] | None = subprocess.STDOUT,
    stdin: int | IO[Any] | None = subprocess.DEVNULL,
    die_with_parent: bool = False,
    new_session: bool = True,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` and return its `Popen`; with `die_with_parent` the kernel ends it when this process ends."""
    preexec: Callable[[], Any] | None = None
    if die_with_parent:

        def preexec() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    try:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=new_session,
            preexec_fn=preexec,  # noqa: PLW1509 - prctl only, before exec
            pass_fds=pass_fds,
        )
    except FileNotFoundError as error:
        raise NotPossible(f"{command[0]} cannot be started: {error.strerror}", remedy="install it") from error


def launch(command: Sequence[str | Path], *, cwd: Path | None = None) -> int:
    """Start `command` in a session of its own, to outlive this process, with no output; returns its process id."""
    child = start(command, cwd=cwd)
    child.returncode = 0  # it is not waited for: Popen would warn of a child that still runs
    return child.pid


def stream(
    command: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run `command`, give each line of its output (errors joined in) to `on_line`, and return its exit status.

    It shares this terminal's Ctrl-C: an interrupt waits for it to end (10 s, then it is ended) and is raised on.
    """
    child = start(command, cwd=cwd, env=env, stdout=subprocess.PIPE, new_session=False, die_with_parent=True)
    assert child.stdout is not None
    try:
        for line in child.stdout:
            on_line(line.decode(errors="replace").rstrip("\n"))
        return child.wait()
    except BaseException:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
    finally:
        child.stdout.close()


def follow(command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run `command` with this terminal as its own and return its exit status."""
    try:
        return subprocess.run(
            [str(part) for part in command], cwd=cwd, env=dict(env) if env is not None else None, check=False
        ).returncode
    except FileNotFoundError as error:
        raise NotPossible(f"{command[0]} cannot be started: {error.strerror}", remedy="install it") from error


def become(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> NoReturn:
    """Replace this process by `command`."""
    arguments = [str(part) for part in command]
    os.execvpe(arguments[0], arguments, dict(env) if env is not None else os.environ)
