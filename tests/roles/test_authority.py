"""An authority is changed in steps that cannot be taken too early; the hosts are two folders."""

import getpass
import grp
import json
import os
import re
import sys
from pathlib import Path

import pytest

from ionman import process
from ionman.certificate import verify
from ionman.certificates.pem import blocks
from ionman.certificates.store import Store
from ionman.errors import InputError
from ionman.plays.playbook import TREE

BIN = Path(sys.executable).parent
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ionman_certificate: {name: "{{ leaf }}", dir: "%s", names: ["{{ inventory_hostname }}"],
        folder: "%s/{{ inventory_hostname }}", owner: "%s", group: "%s"}
"""


class Fleet:
    """The hosts a and b, and the controller's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "ca")
        account = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
        (folder / "play.yml").write_text(PLAY % (self.store.path, folder, *account))

    def deploy(self, *hosts: str, leaf: str = "router") -> dict[str, int]:
        """How much changed on each."""
        environment = {**os.environ, "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        command: list[str | Path] = [BIN / "ansible-playbook", "-i", f"{','.join(hosts)},", "-c", "local"]
        given = json.dumps({"leaf": leaf, "ansible_python_interpreter": sys.executable})
        command += [self.folder / "play.yml", "-e", given]
        done = process.run(command, cwd=TREE, env=environment, timeout=120)
        rows = re.findall(r"^(\w) +: ok=1 +changed=(\d)", done.stdout, re.MULTILINE)
        return {host: int(changed) for host, changed in rows}

    def accepted(self, host: str, by: str) -> bool:
        """Whether what `host` serves is accepted by the other host `by`, which trusts what landed there."""
        leaf, key = ((self.folder / host / f"tls/router.{kind}").read_bytes() for kind in ("pem", "key"))
        return not verify(leaf, key, ca=(self.folder / by / "ca.pem").read_bytes(), wanted=[host])

    @property
    def together(self) -> bool:
        return all(self.accepted(host, by) for host in "ab" for by in "ab")


def test_at_every_moment_each_host_accepts_the_others(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    assert fleet.deploy("a", "b") == {"a": 1, "b": 1}
    first = fleet.store.pair("authority")

    with pytest.raises(InputError, match="there is no next authority"):
        fleet.store.switch()
    fleet.store.begin()
    assert fleet.store.pair("authority") == first
    assert "next: ansible-playbook playbooks/certificate.yml" in fleet.store.story()
    fleet.deploy("a")
    assert fleet.together
    with pytest.raises(InputError, match="b: not known to trust the next authority"):
        fleet.store.switch()
    fleet.deploy("b", leaf="")  # only what it trusts
    assert "then `change switch`" in fleet.store.story()[-1]

    fleet.store.switch()
    second = fleet.store.pair("authority")
    assert (second == first, fleet.store.pair("former")) == (False, first)
    with pytest.raises(InputError, match=r"not renewed yet: router of a, router of b"):
        fleet.store.finish()
    assert fleet.deploy("a") == {"a": 1}
    assert fleet.together
    with pytest.raises(InputError, match=r"not renewed yet: router of b"):
        fleet.store.finish()
    assert fleet.deploy("b") == {"b": 1}
    assert fleet.together

    fleet.store.finish()
    assert second is not None
    assert fleet.deploy("a", "b") == {"a": 1, "b": 1}
    assert blocks((tmp_path / "a/ca.pem").read_bytes()) == blocks(second.certificate)
    assert fleet.together
    with pytest.raises(InputError, match="there is no former"):
        fleet.store.finish()


def test_a_switch_that_was_killed_in_the_middle_is_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make()
    store.begin()
    coming = store.pair("next")
    assert coming is not None
    store.landed("a", store.bundle, "", b"")
    (tmp_path / "authority").rename(tmp_path / "former")
    assert store.pair("authority") == coming, "nobody makes a third"
    store.switch()
    assert store.pair("authority") == coming
    assert store.pair("next") is None


def test_the_command_takes_the_steps(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make()

    def said(*arguments: str) -> str:
        return process.run([BIN / "ionman", "certificate", *arguments, tmp_path], check=False, timeout=60).stdout

    assert "signs         " in said("show")
    assert "will sign     " in said("change", "begin")
    assert "a change of the authority is under way" in said("change", "begin")
    assert "no host trusts the next authority" in said("change", "switch")
    for text in (said("show"), said("change", "finish")):
        assert "PRIVATE" not in text
        assert "Traceback" not in text
