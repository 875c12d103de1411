"""What the lab decides, without a lab."""

import asyncio
import dataclasses
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ionman.errors import InputError, NotPossible, Unavailable
from ionman.lab import (
    base,
    cgroup,
    disk,
    forward,
    guard,
    inventory,
    machine,
    pids,
    place,
    requirements,
    root,
    sources,
    ssh,
)

DEBIAN = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
OTHERS = """\
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable
deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.example/debian bookworm main
deb https://pg.example/apt bookworm-pgdg main
deb-src http://mirror.example/debian bookworm main
# deb http://old.example/debian bookworm main
"""


def apt(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        (folder / "sources.list.d" / name.replace("_", ".")).write_text(text)
    return folder


def test_sources_are_debians_own(tmp_path: Path) -> None:
    key = f"[signed-by={sources.KEYRING}]"
    assert sources.lines("bookworm", apt(tmp_path, debian_sources=DEBIAN, others_list=OTHERS)) == [
        f"deb {key} http://mirror.example/debian bookworm main",
        f"deb {key} http://mirror.example/debian bookworm-updates main",
        f"deb {key} http://mirror.example/debian-security bookworm-security main",
    ]


def test_sources_in_the_old_form(tmp_path: Path) -> None:
    text = "deb [ arch=amd64 ] http://mirror.example/debian bookworm main contrib # ours\n"
    assert sources.lines("bookworm", apt(tmp_path, debian_list=text)) == [
        f"deb [signed-by={sources.KEYRING}] http://mirror.example/debian bookworm main"
    ]


def test_without_a_debian_source_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match=r"names no source of Debian's bookworm\n  add one for bookworm"):
        sources.lines("bookworm", apt(tmp_path, others_list=OTHERS))


def test_no_mirror_is_named_in_the_code() -> None:
    for path in Path(base.__file__).parent.glob("*.py"):
        assert "debian.org" not in path.read_text(), path


def test_proxies_are_passed_on_and_nothing_else() -> None:
    dump = 'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::https::Proxy "";\nAcquire::Check-Date "0";\n'
    assert base.proxies(dump) == ['Acquire::http::Proxy "http://proxy.example:3128";']


def test_image_is_named_by_what_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base.key()
    assert base.key() == before
    monkeypatch.setattr(base, "PACKAGES", (*base.PACKAGES, "jq"))
    assert base.key() != before


@pytest.mark.parametrize("name", ["demo", "a", "test-2"])
def test_names(name: str) -> None:
    assert place.check_name(name) == name


@pytest.mark.parametrize("name", ["", "Demo", "../x", "host1", "-x", "a" * 16, "a/b", "1a", "a\n"])
def test_wrong_names(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a lab"):
        place.check_name(name)


def test_the_first_word_tells_a_lab_from_a_host() -> None:
    assert [place.is_host(word) for word in ("host1", "host12.lab", "demo", "host")] == [True, True, False, False]


def lab(hosts: int = 2) -> place.Lab:
    return place.plan("demo", Path("/image"), hosts)


def test_plan() -> None:
    planned = lab()
    assert [(host.name, host.address) for host in planned.hosts] == [("host1", "10.77.0.11"), ("host2", "10.77.0.12")]
    assert planned.targets == {"router": ("host1", 8443)}
    assert planned.namespace == "ionman-demo"
    assert planned.host("host2.lab").name == "host2"
    with pytest.raises(InputError, match=r"lab demo has no host host3\n  its hosts: host1, host2"):
        planned.host("host3")


@pytest.mark.parametrize("hosts", [0, -1, 21])
def test_wrong_number_of_hosts(hosts: int) -> None:
    with pytest.raises(InputError, match=r"1 to 20"):
        lab(hosts)


def test_lab_json_comes_back() -> None:
    assert place.decode(place.encode(lab())) == lab()


def test_a_lab_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "STATE", tmp_path)
    with pytest.raises(Unavailable, match=r"there is no lab demo\n  ionman lab up demo"):
        place.load("demo")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "lab.json").write_text('{"name": "de')
    assert place.find("demo") is None
    assert place.names() == ["demo"]


def test_lock_waits_and_leaves_no_file(tmp_path: Path) -> None:
    heard: list[str] = []
    held = threading.Event()
    done = threading.Event()

    def tell(line: str) -> None:
        heard.append(line)
        done.set()

    def wait() -> None:
        held.wait()
        with place.locked(tmp_path / "lock", tell):
            pass

    thread = threading.Thread(target=wait)
    thread.start()
    with place.locked(tmp_path / "lock"):
        held.set()
        assert done.wait(10)
    thread.join(10)
    assert heard == [f"waiting for another process that holds {tmp_path / 'lock'}"]
    assert list(tmp_path.iterdir()) == []


def test_a_reused_process_id_is_another_process(tmp_path: Path) -> None:
    records = tmp_path / "processes"
    pids.record(records, "me", os.getpid())
    assert pids.alive(records, "me") == os.getpid()
    (records / "me").write_text(f"{os.getpid()} 1\n")
    assert pids.alive(records, "me") == 0
    assert pids.alive(records, "nobody") == 0


def test_guard_returns_when_the_process_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        thread = threading.Thread(target=guard.wait, args=(child.pid, pids.started(child.pid)))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        guard.wait(child.pid, "1")  # another process of that id: nothing to wait for
        child.kill()
        thread.join(10)
        assert not thread.is_alive()


def test_control_groups_of_both_kinds() -> None:
    hybrid = (
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )
    assert cgroup.hierarchies(hybrid) == [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")]
    assert cgroup.hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == [Path("/sys/fs/cgroup")]


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert requirements.possible() == "lab hosts need root: run it as root"
    with pytest.raises(NotPossible, match=r"not possible on this machine: lab hosts need root\n  run it as root"):
        requirements.demand()


def test_tools_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda tool: None if tool in ("socat", "ssh", "ssh-keygen") else tool)
    assert requirements.possible() == "tools are missing: apt-get install openssh-client socat"


def test_no_control_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda tool: tool)
    monkeypatch.setattr(cgroup, "hierarchies", list)
    assert requirements.possible().startswith("there is no cgroup2 file system: mount one")


def test_host_files() -> None:
    files = disk.files(lab(), lab().hosts[1], "ssh-ed25519 AAAA lab demo\n")
    assert files["etc/hosts"] == "127.0.0.1\tlocalhost\n10.77.0.11\thost1 host1.lab\n10.77.0.12\thost2 host2.lab\n"
    assert "Address=10.77.0.12/24\n" in files["etc/systemd/network/10-lab.network"]
    assert "PasswordAuthentication no" in files["etc/ssh/sshd_config.d/lab.conf"]


def test_ssh_is_strict_and_enters_the_namespace() -> None:
    text = ssh.config(lab())
    assert "StrictHostKeyChecking yes" in text
    assert "ProxyCommand nsenter --net=/run/netns/ionman-demo socat STDIO TCP:10.77.0.12:22" in text
    longest = "/var/lib/ionman/lab/" + "x" * 15 + "/ssh/10.77.0.111-root" + "." + "x" * 16
    assert len(longest) < 108, "unix(7): the path of a socket, with what ssh appends while it makes one"


def test_host_boots_inside_the_labs_network() -> None:
    words = machine.command(lab(), "host1", Path("/disk"))
    assert words[:3] == ["nsenter", "--net=/run/netns/ionman-demo", "systemd-nspawn"]
    assert {"--register=no", "--keep-unit", "--network-bridge=lab", "--directory=/disk"} <= set(map(str, words))


def test_inventory() -> None:
    data = inventory.inventory(lab(), "/python")
    hosts = {group: data[group]["hosts"] for group in ("build", "repo", "routers", "services")}
    assert hosts == {
        "build": ["controller"],
        "repo": ["host1"],
        "routers": ["host1"],
        "services": ["host1", "host2"],
    }
    variables = data["_meta"]["hostvars"]
    assert variables["controller"] == {"ansible_connection": "local", "ansible_python_interpreter": "/python"}
    assert variables["host2"]["ansible_ssh_common_args"].startswith("-F /var/lib/ionman/lab/demo/ssh/config ")
    assert data["all"]["vars"]["lab_dir"] == "/var/lib/ionman/lab/demo"
    json.dumps(data)


def test_a_host_with_a_door_to_a_router_s_port_is_a_router() -> None:
    doors = {"router": 18443, "router2": 18444, "page": 18445}
    targets = {"router": ("host1", 8443), "router2": ("host2", 8443), "page": ("host2", 80)}
    data = inventory.inventory(dataclasses.replace(lab(), forwards=doors, targets=targets), "/python")
    assert data["routers"]["hosts"] == ["host1", "host2"]
    assert data["all"]["vars"]["lab_routers"] == ["localhost:18443", "localhost:18444"]
    ports = {name: one.get("lab_router_port") for name, one in data["_meta"]["hostvars"].items()}
    assert ports == {"host1": 18443, "host2": 18444, "controller": None}


def test_a_build_knows_the_way_to_the_index_and_no_more() -> None:
    ours = {"PIP_INDEX_URL": "i", "https_proxy": "p", "SSL_CERT_FILE": "c", "AWS_SECRET": "s", "PATH": "x", "HOME": "y"}
    assert root.environment(ours) == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PIP_INDEX_URL": "i",
        "https_proxy": "p",
        "SSL_CERT_FILE": "c",
    }


def test_a_door_tells_of_a_reset_at_once() -> None:
    """A router that was killed resets its connections: who only listens has to hear of it, too."""

    async def through() -> None:
        with forward.listen(0) as listener, socket.create_server(("127.0.0.1", 0)) as behind:
            behind.setblocking(False)
            loop = asyncio.get_running_loop()
            door = asyncio.ensure_future(forward.serve(listener, *behind.getsockname()))
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            connection, _ = await loop.sock_accept(behind)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so close() resets
            connection.close()
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await asyncio.sleep(0.05)  # what is closed is so in the loop's next turns
            door.cancel()
            await asyncio.wait([door])

    asyncio.run(through())
