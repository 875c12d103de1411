"""What the role writes for an ACME server is what the host's command reads."""

import json
import os
import sys
from pathlib import Path

import yaml

from ionman import process
from ionman.certificates.order import read
from ionman.plays.playbook import TREE

BIN = Path(sys.executable).parent
ACME = {
    "directory": "https://acme.example.org/directory",
    "challenge": "dns-01",
    "hook": "/usr/local/bin/dns",
    "wait": 5,
}


def test_the_order_that_lands(tmp_path: Path) -> None:
    tasks = yaml.safe_load((TREE / "roles/certificate/tasks/acme.yml").read_text())
    task = next(one for one in tasks if "ansible.builtin.copy" in one)
    copy = task["ansible.builtin.copy"]
    there = {"content": copy["content"], "dest": str(tmp_path / "{{ certificate_name }}.json"), "mode": "0644"}
    there["validate"] = copy["validate"].replace("ionman ", f"{BIN}/ionman ")
    given = {
        "certificate_name": "router",
        "certificate_names": ["router.example.org"],
        "certificate_extra_names": ["*.example.org"],
        "certificate_renew_days": "20",
        "certificate_group": "ionman-router",
        "certificate_bundle": "false",
        "certificate_reload": "",
        "certificate_acme": ACME,
        "ansible_python_interpreter": sys.executable,
    }
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.copy": there, "vars": task["vars"]}]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    command: list[str | Path] = [BIN / "ansible-playbook", "-i", "a,", "-c", "local", tmp_path / "play.yml"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    process.run([*command, "-e", json.dumps(given)], cwd=TREE, env=environment, timeout=120)
    order = read((tmp_path / "router.json").read_text(), "it")
    assert (order.names, order.renew_days, order.bundle) == (("router.example.org", "*.example.org"), 20, False)
    assert (order.group, order.hook, order.wait) == ("ionman-router", "/usr/local/bin/dns", 5)
