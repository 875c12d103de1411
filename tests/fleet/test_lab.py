"""The lab itself: what stands, what is cut off, and that nothing is left of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman.lab import cgroup, lifecycle, network, place, ssh
from ionman.lab.hosts import Standing

ROOT = Path(__file__).parents[2]
IONMAN = [sys.executable, "-m", "ionman.command.main"]


def said(lab: Standing, host: str, command: str) -> str:
    with lab.connect(host) as connection:
        return str(connection.run(command, hide=True, warn=True).stdout).strip()


def leftovers(name: str) -> list[str]:
    """Everything on this machine that bears the lab's name; mounts in every process's own namespace too."""
    found = [str(path) for path in place.STATE.glob(name)] + [str(path) for path in place.LOCKS.glob(f"*lab-{name}")]
    found += [str(path) for path in network.NAMESPACES.glob(f"ionman-{name}")]
    found += [str(path) for top in cgroup.hierarchies() for path in (top / cgroup.TOP).glob(name)]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(f"lab/{name}/" in word or f"ionman-{name}" in word for word in words) or (
                name in words and any(word.startswith("ionman.lab.") for word in words)
            ):
                found.append(f"{process.name}: {' '.join(words)}")
            mounts = (process / "mountinfo").read_text()
            found += [f"{process.name}: {line}" for line in mounts.splitlines() if f"/lab/{name}/" in line]
    return found


@pytest.fixture
def other() -> Iterator[str]:
    """The name of a lab that a test makes for itself."""
    name = "test-other"
    lifecycle.down(name)
    yield name
    lifecycle.down(name)


def test_hosts_run_what_a_host_needs(lab: Standing) -> None:
    assert lab.names == ["host1", "host2", "host3"]
    for host in lab.names:
        assert said(lab, host, "hostname") == host
        assert said(lab, host, "systemctl is-system-running --wait") == "running"
        assert said(lab, host, "pidof svscan sshd systemd-networkd").count(" ") >= 2
        assert said(lab, host, "getent hosts host2.lab").split()[0] == "10.77.0.12"
        assert "passwordauthentication no" in said(lab, host, "sshd -T").lower()


def test_a_second_up_does_nothing_and_is_quick(lab: Standing) -> None:
    began = time.monotonic()
    done = subprocess.run([*IONMAN, "lab", "up", lab.lab.name], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "lab test is up: nothing to do\n", "")
    assert time.monotonic() - began < 2


def test_ansible_reaches_every_host(lab: Standing) -> None:
    command = [str(Path(sys.executable).with_name("ansible")), "-i", "inventory/lab", "all", "-m", "ping"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("pong") == 4


def test_no_way_out(lab: Standing) -> None:
    """A host reaches none of this machine's addresses, nor any beyond, over IPv4 or IPv6."""
    own = subprocess.run(["ip", "-brief", "addr"], capture_output=True, text=True, check=True).stdout.split()
    addresses = [word.partition("/")[0] for word in own if "/" in word and not word.startswith(("127.", "::1/"))]
    assert said(lab, "host1", "ip route") == "10.77.0.0/24 dev host0 proto kernel scope link src 10.77.0.11"
    for address in [*addresses, "192.0.2.1", "2001:db8::1"]:
        assert said(lab, "host1", f"ip route get {address}") == "", address
    assert said(lab, "host1", "getent hosts example.org") == ""
    assert network.inside(lab.lab.namespace)[0] == "nsenter"
    inside = subprocess.run(
        [*network.inside(lab.lab.namespace), "ip", "-brief", "link"], capture_output=True, text=True, check=True
    )
    names = {line.split()[0].partition("@")[0] for line in inside.stdout.splitlines()}
    assert names == {"lo", "lab", "vb-host1", "vb-host2", "vb-host3"}


def test_everything_outside_listens_on_loopback(lab: Standing) -> None:
    inodes = set()
    for role in [*(f"forward-{name}" for name in lab.lab.forwards), "github"]:
        pids = cgroup.members(f"{lab.lab.name}/process-{role}")
        assert pids, role
        for pid in pids:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    heard = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: listening
                heard.append(fields[1].partition(":")[0])
    assert heard
    assert set(heard) == {"0100007F"}


def test_a_forward_leads_to_a_host(lab: Standing) -> None:
    said(lab, "host2", "systemd-run --unit=probe python3 -m http.server --directory /etc 8099")
    port = lab.forward("probe", "host2", 8099)
    assert port == lab.forward("probe", "host2", 8099)
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/hostname", timeout=5) as answer:
                assert answer.read() == b"host2\n"
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    said(lab, "host2", "systemctl stop probe")
    with socket.create_connection(("127.0.0.1", port), 5) as connection, contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def test_another_host_key_is_refused(lab: Standing, tmp_path: Path) -> None:
    """host2's key in the place of host1's: neither ssh nor Fabric talks to it."""
    known = (ssh.directory(lab.lab) / "known_hosts").read_text().splitlines()
    wrong = tmp_path / "known_hosts"
    wrong.write_text(f"{known[0].split()[0]} {known[1].split(maxsplit=1)[1]}\n")
    options = ["-o", f"UserKnownHostsFile={wrong}", "-o", "ControlPath=none"]
    config = ssh.directory(lab.lab) / "config"
    done = subprocess.run(["ssh", "-F", config, *options, "host1", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "verification failed" in done.stderr


def test_a_host_that_was_killed_is_repaired(lab: Standing) -> None:
    said(lab, "host3", "echo kept > /var/kept; sync")
    lab.kill("host3")
    assert not lab.is_up("host3")
    done = subprocess.run([*IONMAN, "lab", "up", lab.lab.name], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("lab test is up: host1"), done.stderr
    assert "booting host3" in done.stderr
    assert "host1" not in done.stderr
    assert said(lab, "host3", "cat /var/kept") == "kept"


def test_stop_start_reboot_and_cut(lab: Standing) -> None:
    def boot() -> str:
        command = lab.ssh_command("host2", "stat", "-c", "%Z", "/proc/1")
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    before = boot()
    subprocess.run(lab.ssh_command("host2", "systemctl", "reboot"), check=False)
    deadline = time.monotonic() + 30
    while boot() in ("", before):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lab.stop("host2")
    assert not lab.is_up("host2")
    lab.start("host2")
    lab.cut("host2")
    assert not lab.is_up("host2")
    assert lab.is_up("host3")
    lab.heal("host2")
    assert lab.is_up("host2")


def test_two_labs_side_by_side(lab: Standing, other: str) -> None:
    lifecycle.up(other, 1, os.getpid())
    second = Standing(other)
    assert second.router_port != lab.router_port
    assert second.lab.host("host1").address == lab.lab.host("host1").address
    assert said(second, "host1", "cat /etc/machine-id") != said(lab, "host1", "cat /etc/machine-id")
    said(second, "host1", "systemctl stop ssh.socket ssh; pkill svscan")  # what dies there, dies only there
    assert said(lab, "host1", "pidof svscan")
    assert lifecycle.down(other)
    assert leftovers(other) == []
    assert lab.is_up("host1")


def test_a_lab_comes_back_after_this_machine_was_rebooted(lab: Standing, other: str) -> None:
    """A reboot takes processes and namespaces, and leaves the directory."""
    lifecycle.up(other, 1)
    said(Standing(other), "host1", "echo kept > /var/kept; sync")
    github = Standing(other).github_url
    cgroup.clear(other)
    network.remove(f"ionman-{other}")
    assert lifecycle.up(other)
    assert said(Standing(other), "host1", "cat /var/kept") == "kept"
    assert Standing(other).github_url == github
    assert not lifecycle.up(other)


def test_the_github_double_has_the_examples_releases(lab: Standing) -> None:
    with urllib.request.urlopen(f"{lab.github_url}/repos/ionman/demo/releases/tags/v1.0.0", timeout=10) as answer:
        assert b'"tag_name"' in answer.read()


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.5, 0.8])
def test_what_a_kill_leaves_is_finished_by_the_next_up(lab: Standing, other: str, delay: float) -> None:
    maker = subprocess.Popen([*IONMAN, "lab", "up", other, "--hosts=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay)
    maker.kill()
    maker.communicate()
    lifecycle.up(other, 1)
    assert said(Standing(other), "host1", "hostname") == "host1"
    assert len(cgroup.members(f"{other}/process-host1")) == 1
    assert lifecycle.down(other)
    assert leftovers(other) == []


@pytest.mark.parametrize("delay", [0.25, 0.6])
def test_what_a_kill_leaves_is_removed_by_down(lab: Standing, other: str, delay: float) -> None:
    maker = subprocess.Popen([*IONMAN, "lab", "up", other, "--hosts=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay)
    maker.kill()
    maker.communicate()
    lifecycle.down(other)
    assert leftovers(other) == []


def test_an_interrupted_up_leaves_nothing(lab: Standing, other: str) -> None:
    maker = subprocess.Popen(
        [*IONMAN, "lab", "up", other, "--hosts=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert maker.stderr
    assert "making 1 host" in maker.stderr.readline()
    maker.send_signal(signal.SIGINT)
    _, errors = maker.communicate(timeout=30)
    assert maker.returncode == 130
    assert errors.endswith("ionman: interrupted; run the same command again to finish\n")
    assert leftovers(other) == []


def test_a_lab_ends_with_the_process_it_was_made_for(lab: Standing, other: str) -> None:
    with subprocess.Popen(["sleep", "1000"]) as master:
        lifecycle.up(other, 1, master.pid)
        command = Standing(other).ssh_command("host1", "true")  # leaves a shared connection behind
        subprocess.run([*command[:3], "-o", "ControlMaster=auto", "-o", "ControlPersist=60", *command[3:]], check=True)
        master.kill()
    deadline = time.monotonic() + 20
    while leftovers(other):
        assert time.monotonic() < deadline, leftovers(other)
        time.sleep(0.1)


def test_down_twice(lab: Standing, other: str) -> None:
    done = subprocess.run([*IONMAN, "lab", "down", other], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"there is no lab {other}: nothing to do\n")


def test_inventory_without_a_lab_says_what_to_do(other: str) -> None:
    environment = {**os.environ, "IONMAN_LAB": other}
    command = [str(ROOT / "inventory/lab/lab.py"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 69
    assert done.stderr == f"inventory/lab: there is no lab {other}\n  ionman lab up {other}\n"


def test_another_number_of_hosts_is_refused(lab: Standing) -> None:
    done = subprocess.run([*IONMAN, "lab", "up", "test", "--hosts=2"], capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert done.stderr == "ionman: lab test has 3 hosts, not 2\n  ionman lab down test\n"
