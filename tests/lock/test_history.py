"""`ionman history` over real Ansible; the hosts' own command is played, one host is down."""

import json
import os
import sys
from pathlib import Path

import yaml

from ionman import process
from tests.crossbar import free_port

ROW = {"when": "2026-11-24T10:00:01.000+00:00", "took": 4.0, "deploy": "run-1", "who": "alice@ctrl1", "what": "deploy"}
ROW |= {"service": "demo", "from": None, "to": {"generation": "bbbb2222", "version": "1.1.0", "instances": 2}}
ROW |= {"result": "done", "why": ""}


def test_the_hosts_that_answer_are_shown_and_the_others_named(tmp_path: Path) -> None:
    command = tmp_path / "bin/ionman"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\necho \"$@\" >> {tmp_path}/asked\ncat <<'END'\n{json.dumps([ROW])}\nEND\n")
    command.chmod(0o755)
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    down = {"ansible_host": "127.0.0.1", "ansible_port": free_port()}
    hosts = {"services": {"hosts": {"host1": here, "host2": here, "host3": down}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(hosts))
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def ask(*options: str) -> tuple[int, str]:
        asked = [Path(sys.executable).with_name("ionman"), "history", "demo", "-i", tmp_path / "hosts.yml", *options]
        done = process.run([str(part) for part in asked], env=environment, timeout=120, check=False)
        return done.returncode, done.stdout

    status, said = ask()
    assert "deploy  demo     -     1.1.0 bbbb2222 x4  host1 host2  4 s   done" in said
    assert (status, "host3 could not be asked" in said) == (69, True)
    assert set((tmp_path / "asked").read_text().splitlines()) == {"host history --json demo"}
    rows = json.loads(ask("--json", "--last", "1")[1].splitlines()[0])
    assert rows == [{**ROW, "host": "host2"}]
