"""The text's two listings and its config.ini, as they stand, against a real router."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crossbar import Crossbar
from tests.runtime.author import ROOT, Author

SHELL = '''#!/usr/bin/env python3
"""generic Microservices shell."""
import ionman

class MicroService(ionman.microservice):
    """My Microservice."""
    Modules = ['rpc', 'get', 'msg', 'demo']

application = MicroService()
'''
CONFIG = """debug = False
realm = ionman
user = myserviceusername
password = myservicepassword
port = 8443
host = localhost
title = Demo Microservice
logfile = mylogfile
"""


@pytest.fixture
def demo(tmp_path: Path, router: Crossbar) -> Iterator[Author]:
    """The example, with nothing changed but the router's port."""
    shutil.copytree(ROOT / "examples" / "demo", tmp_path / "demo")
    author = Author(tmp_path / "demo", router)
    (author.folder / "config.ini").write_text(CONFIG.replace("8443", str(router.port)))
    yield author
    author.run("stop", IONMAN_CA=str(router.ca))
    author.close()


def test_the_example_has_the_listings_word_for_word() -> None:
    assert (ROOT / "examples/demo/demo.py").read_text() == SHELL
    assert (ROOT / "examples/demo/config.ini").read_text() == CONFIG


def test_three_started_by_hand_share_calls_in_turn(demo: Author, router: Crossbar) -> None:
    running = [demo.start(IONMAN_CA=str(router.ca)) for _ in range(3)]
    for one in running:
        one.until("ready")
    with demo.caller() as caller:
        for _ in range(6):
            answer = caller.call("app.demo.method1", {"dummy": "none required"})
            assert answer == {"status": "OK", "result": "User alice called method1"}
    assert [one.ask()["stats"]["app.demo.method1"]["calls"] for one in running] == [2, 2, 2]
    assert [one.end(signal.SIGTERM) for one in running] == [0, 0, 0]
    assert not any("Traceback" in one.said() or "myservicepassword" in one.said() for one in running)


def test_background_status_stop(demo: Author, router: Crossbar) -> None:
    ca = str(router.ca)
    assert demo.run("status", IONMAN_CA=ca) == (3, "demo: not running\n")
    status, said = demo.run("background", IONMAN_CA=ca)
    assert status == 0, said
    assert "ready" in said
    pid = int((demo.folder / "demo.pid").read_text())
    status, said = demo.run("status", IONMAN_CA=ca)
    assert status == 0
    assert f"demo: ready, process {pid}" in said
    assert "ready: 7 procedures" in (demo.folder / "mylogfile").read_text()
    assert demo.run("background", IONMAN_CA=ca)[0] == 75
    with demo.caller() as caller:
        assert caller.call("app.demo.method1")["status"] == "OK"
    assert demo.run("stop", IONMAN_CA=ca) == (0, f"demo: stopped (process {pid})\n")
    assert not (demo.folder / "demo.pid").exists()
    assert demo.run("stop", IONMAN_CA=ca) == (0, "demo: not running\n")


def test_a_stale_pid_file_with_the_id_of_another_process_confuses_nobody(demo: Author, router: Crossbar) -> None:
    (demo.folder / "demo.pid").write_text("1")
    assert demo.run("status", IONMAN_CA=str(router.ca))[0] == 3
    assert demo.run("stop", IONMAN_CA=str(router.ca)) == (0, "demo: not running\n")
    assert demo.run("background", IONMAN_CA=str(router.ca))[0] == 0


def test_twistd_runs_it(demo: Author, router: Crossbar) -> None:
    running = demo.ready("twistd", "--pidfile=", "-ny", "demo.py", IONMAN_CA=str(router.ca))
    with demo.caller() as caller:
        assert caller.call("app.demo.method1")["status"] == "OK"
    assert running.end(signal.SIGINT) == 0
    assert running.said().splitlines()[-1].endswith("gone")


def test_the_four_modules_do_what_they_say(demo: Author, router: Crossbar) -> None:
    first, second = (demo.ready(IONMAN_CA=str(router.ca)) for _ in range(2))
    with demo.caller() as alice, demo.caller("bob") as bob:
        assert alice.call("app.rpc.calculate", {"expression": "2 * (3 + 4)"}) == {"status": "OK", "result": 14}
        assert alice.call("app.rpc.calculate", {"expression": "__import__('os')"})["status"] == "FAIL"
        assert alice.call("app.rpc.wait", {"seconds": 0.1}) == {"status": "OK", "waited": 0.1}
        assert alice.call("app.rpc.report", {"moons_at_least": 90})["names"] == ["Jupiter", "Saturn"]
        found = alice.call("app.get.planets", {"order": "diameter", "descending": True, "limit": 2})
        assert [planet["name"] for planet in found["planets"]] == ["Jupiter", "Saturn"]
        assert alice.call("app.get.planets", {"order": "colour"})["status"] == "FAIL"
        assert bob.call("app.msg.post", {"text": "hello"}) == {"status": "OK"}
        # Every instance hears the event, whichever published it: two calls reach both, in turn.
        for _ in range(2):
            recent = {"status": "OK", "messages": [{"author": "bob", "text": "hello"}]}
            assert alice.call("app.msg.recent") == recent
    assert (first.end(), second.end()) == (0, 0)
