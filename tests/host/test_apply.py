"""`ionman host apply` under a real svscan."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError, Late, Unavailable
from ionman.hosts import ending, supervisor
from ionman.hosts.lock import alone
from tests.host.conftest import Host, Hosts
from tests.host.leftovers import processes


def eventually(what: str, timeout: float = 20.0, **names: object) -> None:
    """Wait until the expression `what` is true."""
    deadline = time.monotonic() + timeout
    while not eval(what, names):
        assert time.monotonic() < deadline, f"never true: {what}"
        time.sleep(0.1)


def test_starts_keeps_replaces_and_removes(host: Host) -> None:
    would = host.apply(host.document(instances=2), check=True)
    assert would.changed
    assert [step.verb for step in would.steps] == ["write", "start", "start", "await", "await", "record"]
    assert host.programs == []

    assert host.apply(host.document(instances=2)).changed
    first = host.pids()
    assert len(first) == 2
    assert not host.apply(host.document(instances=2)).changed
    assert host.pids() == first
    assert all("nothing to do" in line for line in host.lines)

    host.apply(host.document(instances=1))
    assert host.pids() == dict(list(first.items())[:1])

    assert host.apply(host.document("1.1.0")).changed
    assert len(host.pids()) == 1
    assert not set(host.pids()) & set(first)

    assert host.apply('{"services": []}').changed
    assert host.programs == []
    assert list(host.layout.configuration.iterdir()) == []
    assert list(host.layout.scanned.iterdir()) == []
    assert [path.name for path in host.layout.runs.iterdir()] == ["apply.lock"]
    assert len(processes(host.layout.root)) == 1  # svscan
    assert len(list(host.layout.logs.iterdir())) == 3


def test_one_that_was_stopped_is_started(host: Host) -> None:
    host.apply(host.document())
    [name] = host.programs
    process.run(["svc", "-d", host.layout.program(name)])
    eventually("not host.pids()[name]", host=host, name=name)
    assert [step.verb for step in host.apply(host.document()).steps] == ["start", "await"]
    assert host.pids()[name]
    assert not host.apply(host.document()).changed


def test_secrets_are_where_they_belong_only(host: Host) -> None:
    key = "5" * 64
    document = json.loads(host.document())
    del document["services"][0]["config"]["password"]
    document["services"][0]["secrets"] = {"key": key, "app_token": "app-token-secret"}
    outcome = host.apply(json.dumps(document))
    (name,) = host.programs
    generation = host.layout.generation("demo", name.split(".")[1])
    assert (generation / "key").read_text() == key + "\n"
    assert f"key = {generation}/key\n" in (generation / "config.ini").read_text()
    for file in ("key", "config.ini"):
        assert (generation / file).stat().st_mode & 0o777 == 0o640
    said = json.dumps(outcome.document()) + "".join(host.lines)
    assert "(hidden)" in said
    for place in (host.layout.program(name), host.layout.logs):
        said += "".join(
            path.read_text(errors="replace") for path in place.rglob("*") if path.is_file() and path.name != "lock"
        )
    for pid in processes(host.layout.root):
        said += Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
    assert key not in said
    assert "app-token-secret" not in said


def test_not_ready_leaves_the_old_alone(host: Host) -> None:
    host.apply(host.document())
    old = host.pids()
    with pytest.raises(Unavailable, match="connecting: host1:8443 refused") as caught:
        host.apply(host.document("1.1.0", app_fake="never", ready_timeout=6))
    assert "left as it was" in str(caught.value)
    assert host.pids() == old
    assert len(list(host.layout.configuration.glob("*/*"))) == 1
    assert not host.apply(host.document()).changed


def test_a_crash_loop_backs_off_and_is_reported_early(host: Host) -> None:
    start = time.monotonic()
    with pytest.raises(Unavailable, match="myservicepassword is wrong: the router refused demo") as caught:
        host.apply(host.document(app_fake="crash", ready_timeout=300))
    assert time.monotonic() - start < 30
    assert "for the 3. time in a row; starting again in 4 s" in str(caught.value)
    assert host.programs == []
    assert list(host.layout.configuration.glob("*/*")) == []


def test_one_that_does_not_end_is_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "MARGIN", 0.5)
    host.apply(host.document(app_fake="stubborn", drain_timeout=1))
    host.apply('{"services": []}')
    assert any("did not end within 1.5 s and was killed" in line for line in host.lines)
    assert host.programs == []


def test_refuses_what_is_not_installed(host: Host) -> None:
    with pytest.raises(InputError, match=r"services\[0\]\.version: demo 9\.9\.9 is not installed"):
        host.apply(host.document("9.9.9"))
    would = host.apply(host.document("9.9.9"), check=True)
    assert [step.verb for step in would.steps] == ["missing"]
    assert would.changed
    other = host.document().replace('"name"', '"file": "other.py", "name"')
    with pytest.raises(InputError, match=r"services\[0\]\.file: demo 1\.0\.0 has no other\.py; it has: demo\.py"):
        host.apply(other)
    assert host.programs == []
    assert not host.layout.configuration.exists()


def test_one_apply_at_a_time(host: Host) -> None:
    said: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with alone(host.layout, said.append, 1):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    with pytest.raises(Late, match=f"pid {os.getpid()}, user"), alone(host.layout, said.append, 0.3):
        pass
    assert f"waiting for another apply on this host: pid {os.getpid()}" in said[0]
    leave.set()
    holder.join()
    with alone(host.layout, said.append, 0):
        pass


def test_a_program_that_lost_its_supervisor_is_never_doubled(host: Host) -> None:
    host.apply(host.document())
    (name, old), *_ = host.pids().items()
    (supervisor_pid,) = (
        pid for pid in processes(host.layout.root) if Path(f"/proc/{pid}/cmdline").read_text() == f"supervise\0{name}\0"
    )
    os.kill(supervisor_pid, signal.SIGKILL)
    eventually("pids()[name] not in (0, old)", pids=host.pids, name=name, old=old)
    eventually("not path.exists()", path=Path(f"/proc/{old}"))
    eventually("not plan().changed", plan=lambda: host.apply(host.document(), check=True))
    assert "has lost its supervisor" in "".join(supervisor.log_tail(host.layout, name))


def test_a_program_without_any_supervisor_is_drained_too(host: Host, hosts: Hosts) -> None:
    host.apply(host.document())
    ((name, old),) = host.pids().items()
    hosts.kill_scanner(host)
    for pid in processes(host.layout.root):
        if Path(f"/proc/{pid}/cmdline").read_text() == f"supervise\0{name}\0":
            os.kill(pid, signal.SIGKILL)
            eventually("not path.exists()", path=Path(f"/proc/{pid}"))
    assert Path(f"/proc/{old}").exists()
    host.apply('{"services": []}')
    eventually("not path.exists()", path=Path(f"/proc/{old}"))  # it has let its lock go, and is about to be reaped
    assert host.programs == []


def test_what_was_left_half_done_is_finished(host: Host) -> None:
    host.apply(host.document())
    (name,) = host.programs
    (host.layout.scanned / name).unlink()
    (host.layout.programs / ".demo.00000000.1").mkdir()
    (host.layout.scanned / "demo.00000000.1").symlink_to(host.layout.programs / "demo.00000000.1")
    (host.layout.runs / "demo.00000000.1").mkdir()
    outcome = host.apply(host.document())
    assert [str(step).split()[:2] for step in outcome.steps] == [
        ["start", name],
        ["await", name],
        ["forget", "demo.00000000.1"],
    ]
    assert [path.name for path in host.layout.scanned.iterdir()] == [name]
    assert not host.apply(host.document()).changed


def test_the_command(host: Host, ionman: Path) -> None:
    def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
        done = process.run([ionman, "host", *arguments, "--root", host.layout.root], stdin=stdin, check=False)
        return done.returncode, done.stdout

    assert run("apply", stdin="{")[0] == 65
    status, text = run("apply", stdin=host.document(colour="red"))
    assert status == 65
    assert text.startswith("ionman: services[0].config.colour: is no setting of a service\n")
    assert run("status") == (0, "nothing runs here\n")
    status, text = run("apply", stdin=host.document())
    assert (status, text.splitlines()[-1]) == (0, "done")
    status, text = run("status", "--json")
    (row,) = json.loads(text)
    assert (row["service"], row["version"], row["ready"], row["pid"]) == ("demo", "1.0.0", True, *host.pids().values())
    assert "yes" in run("status")[1]
    assert run("remove", "other")[0] == 65
    assert run("remove", "demo")[1].splitlines()[-1] == "done"
    assert host.programs == []
