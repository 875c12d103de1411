"""The Ansible module, by a real ansible-playbook on this machine."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import process
from ionman.hosts import record
from tests.host.conftest import Host

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


@pytest.fixture
def play(host: Host, ionman: Path, tmp_path: Path) -> Any:
    def run(state: dict[str, Any], *options: str, command: Path = ionman, **parameters: Any) -> tuple[int, str]:
        task = {
            "name": "Apply",
            "ionman_apply": {
                "state": json.dumps(state),
                "root": str(host.layout.root),
                "command": str(command),
                **parameters,
            },
        }
        book = [{"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(book))
        environment = {
            **os.environ,
            "ANSIBLE_LIBRARY": str(PLAYBOOKS / "library"),
            "ANSIBLE_MODULE_UTILS": str(PLAYBOOKS / "module_utils"),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_HOME": str(tmp_path),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }
        ansible = ionman.with_name("ansible-playbook")
        done = process.run(
            [ansible, "-i", "localhost,", *options, tmp_path / "play.yml"], env=environment, cwd=tmp_path, check=False
        )
        assert "myservicepassword" not in done.stdout
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return run


def test_check_apply_and_again(host: Host, play: Any) -> None:
    service = json.loads(host.document())["services"][0]
    del service["config"]["routers"], service["ready_timeout"]
    state = {"services": [{**service, "calls": ["app."], "procedures": ["app.demo.method1"]}]}
    given = {"routers": ["host1:8443", "host2:8443"], "ready_timeout": 20}

    status, text = play(state, "--check", "--diff", command=Path("/nowhere/ionman"), **given)
    assert (status, "changed=1" in text) == (0, True), text
    status, text = play(state, command=Path("/nowhere/ionman"), **given)
    assert status == 2
    assert "/nowhere/ionman is not on this host yet: run playbooks/host.yml first" in text

    status, text = play(state, "--check", "--diff", "-vvv", **given)
    assert (status, "changed=1" in text, host.programs) == (0, True, [])
    assert "+routers = host1:8443, host2:8443" in text
    assert "+password = (hidden)" in text
    assert "ready within 20 s" in text

    status, text = play(state, "-vvv", **given)
    assert (status, "changed=1" in text, len(host.programs)) == (0, True, 1)
    status, text = play(state, "--diff", **given)
    assert (status, "changed=0" in text) == (0, True)
    status, text = play(state, "--check", "--diff", **given)
    assert (status, "changed=0" in text) == (0, True)

    status, text = play({"services": [{**service, "instances": -1}]}, **given)
    assert status == 2
    assert "services[0].instances: -1 is not between 0 and 64" in text


def test_only_what_is_in_no_list_leaves(host: Host, play: Any) -> None:
    host.apply(host.document())
    pids = host.pids()
    who = {"deploy": {"id": "d1", "who": "alice@here", "what": "deploy"}}
    state = {"services": json.loads(host.document("1.1.0"))["services"]}
    status, text = play(state, what="leave", **who)
    assert (status, "changed=0" in text, host.pids() == pids) == (0, True, True), "listed with another version: stays"
    gone: dict[str, Any] = {"services": []}
    status, text = play(gone, "--check", what="leave", **who)
    assert (status, "changed=1" in text, host.pids() == pids) == (0, True, True), text
    status, text = play(gone, what="leave", **who)
    assert (status, "changed=1" in text, host.programs) == (0, True, []), text
    (*_, last) = record.history(host.layout)
    assert (last["who"], last["deploy"], last["what"]) == ("alice@here", "d1", "deploy")


def test_what_a_package_declares_goes_to_the_router(host: Host, play: Any, tmp_path: Path) -> None:
    host.crossbar()
    host.certify()
    apt = tmp_path / "bin" / "apt-cache"
    apt.parent.mkdir()
    apt.write_text(
        """#!/bin/sh
[ "$*" = "show --no-all-versions ^demo-[0-9]" ] && cat <<END || exit 100
Package: demo-1.0.0
Version: 1.0.0-1
Ionman-Procedures: app.demo.method1 app.rpc.wait
Ionman-Topics: app.msg.posted

Package: demo-1.1.0-rc1
Version: 1.1.0~rc1-1
Ionman-Procedures: app.demo.method1 app.demo.method2
Description: the next one
 Ionman-Procedures: app.in.a.text

Package: demo-2-1.0.0
Version: 1.0.0-1
Ionman-Procedures: app.other
END
"""
    )
    apt.chmod(0o755)
    state = json.loads(host.router("ionman"))
    settings = {"realm": "ionman", "user": "demo", "password": "myservicepassword"}
    state["router"]["services"] = [{"name": "demo", "version": "1.0.0", "instances": 3, "config": settings}]
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{apt.parent}:{path}"
    try:
        status, text = play(state)
        state["router"]["services"][0]["version"] = "9.9.9"
        missing, why = play(state)
        checked, _ = play(state, "--check")
    finally:
        os.environ["PATH"] = path
    assert (status, "changed=1" in text) == (0, True), text
    rights = json.loads((host.layout.router_configuration / "rights.json").read_text())
    entries = rights["realms"]["ionman"]["service_demo"]
    registering = {entry["uri"] for entry in entries if "register" in entry["allow"]}
    # The rights of every release that apt knows: the next one comes, and the old one goes, without a restart.
    assert registering == {"app.demo.method1", "app.rpc.wait", "app.demo.method2", "ionman.service.demo."}
    assert "app.msg.posted" in {entry["uri"] for entry in entries if "publish" in entry["allow"]}
    assert (missing, checked) == (2, 0)
    assert "the package demo-9.9.9 is not in this host's apt sources yet" in why


def test_a_command_that_is_killed_is_told_in_a_line(play: Any, tmp_path: Path) -> None:
    command = tmp_path / "ionman"
    command.write_text('#!/bin/sh\n[ "$2" = status ] && echo "[]" && exit\necho "start   demo.1" >&2\nkill -9 $$\n')
    command.chmod(0o755)
    status, text = play({"services": []}, command=command)
    assert status == 2
    assert f"{command} host apply was killed by signal 9" in text
