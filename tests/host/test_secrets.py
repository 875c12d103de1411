"""No secret in any output, log or process list, also when a task fails: planted ones, looked for everywhere."""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import process
from ionman.hosts.layout import Layout
from tests.host.conftest import Host

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
MARK = "PLANTED-"  # every secret begins with it


class Watch:
    """The command lines and environments of all processes, looked at over and over."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.looks = 0
        self._over = threading.Event()

    @contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.looks += 1
            for place in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        text = (place / name).read_bytes().decode(errors="replace")
                    except OSError:  # it has ended
                        continue
                    if MARK in text:
                        self.found.add(text)


class Book:
    """Ansible's module on this machine, at its most talkative, with a log of its own."""

    def __init__(self, folder: Path, host: Host, ionman: Path) -> None:
        self._folder, self._host, self._ionman = folder, host, ionman
        self.log = folder / "ansible.log"
        self.said = ""

    def play(self, state: Any, wanted: int) -> None:
        """Apply `state`; it has to end with the status `wanted`."""
        arguments = {"state": json.dumps(state), "root": str(self._host.layout.root), "command": str(self._ionman)}
        task = {"name": "Apply", "ionman_apply": arguments}
        book = [{"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]
        (self._folder / "play.yml").write_text(yaml.safe_dump(book))
        environment = {
            **os.environ,
            "ANSIBLE_LIBRARY": str(PLAYBOOKS / "library"),
            "ANSIBLE_MODULE_UTILS": str(PLAYBOOKS / "module_utils"),
            "ANSIBLE_LOG_PATH": str(self.log),
            "ANSIBLE_HOME": str(self._folder),
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        }
        ansible, play = self._ionman.with_name("ansible-playbook"), self._folder / "play.yml"
        command: list[str | Path] = [ansible, "-i", "localhost,", "-vvvv", "--diff", play]
        done = process.run(command, env=environment, cwd=self._folder, check=False)
        self.said += done.stdout
        assert done.returncode == wanted, done.stdout


def state(host: Host, **config: Any) -> dict[str, Any]:
    """A router and a service, with secrets of every kind; `config` is of the service."""
    wanted = json.loads(host.router("ionman")) | json.loads(host.document(ready_timeout=4, **config))
    wanted["router"]["realms"][0]["users"][0]["password"] = f"{MARK}alice"
    wanted["services"][0]["config"].pop("password")
    wanted["services"][0]["secrets"] = {"password": f"{MARK}service", "app_token": f"{MARK}token"}
    wanted["services"][0]["procedures"] = ["app.demo.method1"]
    return dict(wanted)


def faulty(host: Host) -> Iterator[Any]:
    """States that are refused, with secrets where nothing looks for them."""
    wrong_shape = {"password": [f"{MARK}list"], "passwrod": f"{MARK}typo", "key": {"x": f"{MARK}key"}}
    wrong_words = {"role": "nobody", "key": f"{MARK}key"}
    for user, secrets in ((wrong_shape, f"{MARK}text"), (wrong_words, {"no such key!": f"{MARK}value"})):
        wanted = state(host)
        wanted["router"]["realms"][0]["users"][0] |= user
        yield {"router": wanted["router"]}
        wanted["services"][0]["secrets"] = secrets
        yield {"services": wanted["services"]}
    yield {"services": f"{MARK}services"}


def open_to_all(root: Path, words: list[str]) -> list[str]:
    """Files below `root` that hold one of `words` and that everybody may read, or that are logs."""
    found = []
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes().decode(errors="replace")
            if any(word in text for word in words) and (path.stat().st_mode & 0o007 or "/log/" in f"{path}"):
                found.append(str(path))
    return found


def derived(layout: Layout) -> list[str]:
    """What the router's configuration has instead of passwords: enough to guess at them, or to play the router."""
    text = (layout.router_configuration / "config.json").read_text()
    assert MARK not in text
    return re.findall(r'"(?:salt|stored-key|server-key|secret)": "([0-9a-f]{16,})"', text)


@pytest.mark.timeout(600)
def test_no_secret_gets_out_of_a_deploy_that_fails(host: Host, ionman: Path, tmp_path: Path) -> None:
    host.crossbar()  # what the real one writes is looked at in tests/router/test_limits.py
    host.certify()
    book, watch = Book(tmp_path, host, ionman), Watch()
    with watch.looking():
        book.play(state(host), 0)
        credentials = derived(host.layout)
        book.play(state(host, app_fake="never"), 2)  # an instance that does not become ready
        for wanted in faulty(host):
            book.play(wanted, 2)
        host.certificate.write_text("no certificate")
        book.play(state(host), 2)
        supervise = host.layout.programs
        supervise.rename(supervise.with_name("away"))
        supervise.write_text("no folder")  # what nobody has thought of
        book.play(state(host), 2)
        supervise.unlink()
        supervise.with_name("away").rename(supervise)
    assert watch.looks > 100
    assert watch.found == set()
    assert len(credentials) >= 4
    words = [MARK, *credentials]
    text = book.said + book.log.read_text()
    assert "PLAY RECAP" in text
    shown = [line[:300] for line in text.splitlines() if any(word in line for word in words)]
    assert shown == []
    assert open_to_all(host.layout.root, words) == []
