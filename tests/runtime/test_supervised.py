"""What supervisors and hosts are told by an instance: its control socket, systemd's notifications, several routers."""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ionman import control
from ionman.errors import Unavailable, WampError
from tests.crossbar import Crossbar
from tests.runtime.author import PATIENCE, Author, Running

TWO = """
def app_demo_one(self, argv, details):
    return self.ok()

def app_demo_two(self, argv, details):
    from pathlib import Path
    return self.ok({"good": Path("good").exists()})
"""


def eventually(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_systemd_is_told(author: Author) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(author.folder / "notify"))
        told.settimeout(PATIENCE)
        running = author.shell("demo").module("demo", TWO).ready(NOTIFY_SOCKET=str(author.folder / "notify"))
        assert running.end() == 0
        said = [told.recv(4096).decode()]
        while "STOPPING=1" not in said[-1]:
            said.append(told.recv(4096).decode())
    assert said == ["STATUS=registering", "STATUS=ready\nREADY=1", "STATUS=draining\nSTOPPING=1"]


def test_systemd_is_told_what_is_in_the_way_and_a_name_without_a_file_works(alone: Author) -> None:
    name = f"\0ionman-test-{alone.folder.name}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(name)
        told.settimeout(PATIENCE)
        running = alone.shell("demo").module("demo", TWO).start(NOTIFY_SOCKET=f"@{name[1:]}")
        first = told.recv(4096).decode()
        assert first.startswith("STATUS=connecting: router 127.0.0.1:9 cannot be reached: connection refused")
        assert running.end() == 0
        assert "READY=1" not in told.recv(4096).decode()


def test_a_supervisor_that_does_not_listen_stops_nothing(author: Author) -> None:
    running = author.shell("demo").module("demo", TWO).ready(NOTIFY_SOCKET=str(author.folder / "gone"))
    assert running.end() == 0


def test_others(breaking: Author) -> None:
    """A role that may ask is told who is alone; one that may not, that it is unknown."""
    router = breaking.router
    assert router is not None
    procedures, secret = _declared(router)
    router.start()
    breaking.shell("demo").module("demo", TWO).configure(service="asking", **secret)
    first = breaking.ready()
    assert control.others(first.socket) == {"alone": procedures, "unknown": []}
    breaking.configure()  # the seed's user, with a role that the inventory wrote
    second = breaking.ready()
    assert control.others(first.socket) == {"alone": [], "unknown": []}
    assert control.others(second.socket) == {"alone": [], "unknown": procedures}
    assert second.end() == 0
    assert control.others(first.socket)["alone"] == procedures
    router.kill()
    first.until("connecting")
    assert control.others(first.socket) == {"alone": [], "unknown": procedures}
    assert first.end() == 0
    with pytest.raises(Unavailable, match="no instance runs here"):
        control.others(first.socket)


def test_an_older_control_reads_until_the_end_and_nonsense_is_no_question(author: Author) -> None:
    running = author.shell("demo").module("demo", TWO).ready()
    for question in (b"", b"nonsense\n", b"x" * 1000):
        began = time.monotonic()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(running.socket))
            connection.sendall(question)
            data = b"".join(iter(lambda: _received(connection), b""))
        assert json.loads(data)["answers"] == ["others", "through"]
        assert time.monotonic() - began < 10
    assert running.end() == 0
    assert "Traceback" not in running.said()


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:  # it does not read all of a long nonsense
        return b""


def _declared(router: Crossbar) -> tuple[list[str], dict[str, str]]:
    """Have the router know a service `asking`, as a deploy does: its procedures, and how it logs in."""
    procedures = ["app.demo.one", "app.demo.two"]
    secret = {"user": "asker", "password": "asker-password"}
    asking = {"name": "asking", "realm": "ionman", "procedures": list(procedures), **secret}
    router.description["services"].append(asking)
    return procedures, secret


def test_a_right_taken_away_is_tried_again_and_the_rest_serves_on(breaking: Author) -> None:
    router = breaking.router
    assert router is not None
    _, secret = _declared(router)
    router.start()
    running = breaking.shell("demo").module("demo", TWO).configure(service="asking", **secret).ready()
    rights = router.description["services"][0]["procedures"]
    rights.remove("app.demo.two")
    router.write()
    with breaking.caller("ops") as ops:
        for session in ops.call("wamp.session.list"):
            if ops.call("wamp.session.get", session)["authid"] == "asker":
                ops.call("wamp.session.kill", session)
    running.until_said("did not take app.demo.two: router")
    with breaking.caller() as caller:
        assert caller.call("app.demo.one") == {"status": "OK"}
        with pytest.raises(WampError, match="no_such_procedure"):
            caller.call("app.demo.two")
        assert running.ask()["state"] == "registering"
        assert "let user 'asker' offer app.demo.two" in running.ask()["message"]
        rights.append("app.demo.two")
        router.write()
        running.until("ready")
        assert "status" in caller.call("app.demo.two")
    assert running.ask()["message"] == ""
    assert running.end() == 0


def test_a_wrong_answer_on_a_late_router_does_not_end_what_serves_on_another(
    breaking: Author, router: Crossbar
) -> None:
    late = breaking.router
    assert late is not None
    both, good = breaking.folder / "both.pem", breaking.folder / "good"
    both.write_bytes(router.ca.read_bytes() + late.ca.read_bytes())
    good.touch()
    check = {"uri": "app.demo.two", "argv": {}, "answer": {"good": True}}
    (breaking.folder / "verify.json").write_text(json.dumps([check]))
    breaking.shell("demo").module("demo", TWO)
    breaking.configure(host=None, port=None, routers=f"{router.address}, {late.address}", ca=both)
    running = breaking.start(IONMAN_VERIFY=str(breaking.folder / "verify.json"))
    eventually(lambda: _on(running, router) == "ready")
    good.unlink()
    late.start()
    running.until_said("verify: app.demo.two answered")
    assert (_on(running, router), _on(running, late)) == ("ready", "registering")
    with Author(breaking.folder, late).caller() as caller, pytest.raises(WampError, match="no_such_procedure"):
        caller.call("app.demo.two")
    good.touch()
    running.until("ready")
    assert running.end() == 0


def _on(running: Running, router: Crossbar) -> str:
    try:
        document = running.ask()
    except Unavailable:
        return ""
    state = document["routers"].get(router.address, {}).get("state", "")
    assert isinstance(state, str)
    return state


def test_an_instance_of_an_older_runtime(tmp_path: Path) -> None:
    """It writes its document and closes, with the question unread: everything is unknown then."""
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "old.sock"))
        old.listen()
        old.settimeout(PATIENCE)

        def answer() -> None:
            for _ in range(2):
                visitor, _ = old.accept()
                with visitor:
                    visitor.sendall(json.dumps({"state": "ready", "procedures": ["app.a.b"]}).encode() + b"\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert control.others(tmp_path / "old.sock") == {"alone": [], "unknown": ["app.a.b"]}
        assert control.ask(tmp_path / "old.sock")["state"] == "ready"
        thread.join()
