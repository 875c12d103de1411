"""Connect, drain, come back: what happens to calls and registrations when processes and routers end."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from ionman import process
from ionman.call import Client
from ionman.errors import WampError
from tests.crossbar import Crossbar
from tests.runtime.author import HEAD, Author, Running, indent

SEED = bytes(range(32))
SLOW = """
async def app_demo_slow(self, argv, details):
    from twisted.internet import reactor
    from twisted.internet.task import deferLater
    await deferLater(reactor, argv["seconds"])
    return self.ok({"slept": argv["seconds"]})

def app_demo_pid(self, argv, details):
    import os
    return self.ok({"pid": os.getpid()})
"""


TWO = """
from IonmanClass import RegistrationsClass, SubscriptionsClass
HEARD = []
class Subscriptions(SubscriptionsClass):
    def app_two_news(self, data, details):
        HEARD.append(data)
class Registrations(RegistrationsClass):
    async def app_two_tell(self, argv, details):
        await self.publish("app.two.news", argv)
        return self.ok()
    def app_two_heard(self, argv, details):
        return HEARD
"""


class Call(threading.Thread):
    """One call beside the test: `answer` or `error` when it is joined."""

    def __init__(self, caller: Client, uri: str, argv: Any) -> None:
        super().__init__()
        self.caller, self.uri, self.argv = caller, uri, argv
        self.answer: Any = None
        self.error: WampError | None = None
        self.start()

    def run(self) -> None:
        try:
            self.answer = self.caller.call(self.uri, self.argv)
        except WampError as error:
            self.error = error


def in_flight(running: Any) -> None:
    deadline = time.monotonic() + 10
    while running.ask()["in_flight"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_call_in_flight_is_finished_and_the_next_goes_to_another(author: Author, number: int) -> None:
    author.shell("demo").module("demo", SLOW)
    first, second = author.ready(), author.ready()
    with author.caller() as caller, author.caller("bob") as other:
        call = Call(caller, "app.demo.slow", {"seconds": 3.5})  # the first in turn is the first that joined
        in_flight(first)
        first.popen.send_signal(number)
        first.until("draining")
        deadline = time.monotonic() + 10
        while other.call("app.demo.pid")["pid"] != second.popen.pid:  # until the router has taken it back
            assert time.monotonic() < deadline
        for _ in range(3):
            assert other.call("app.demo.pid")["pid"] == second.popen.pid
        assert first.popen.poll() is None
        call.join()
        assert call.answer == {"status": "OK", "slept": 3.5}
        assert first.popen.wait(10) == 0
        assert second.end() == 0
        with pytest.raises(WampError) as caught:
            other.call("app.demo.pid")
        assert caught.value.uri == "wamp.error.no_such_procedure"


def test_what_does_not_finish_in_time_is_answered_with_an_error(author: Author) -> None:
    author.shell("demo").module("demo", SLOW).configure(drain_timeout=0.5)
    running = author.ready()
    with author.caller() as caller:
        call = Call(caller, "app.demo.slow", {"seconds": 20})
        in_flight(running)
        started = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - started < 5
        call.join()
    assert call.error is not None
    assert call.error.uri == "ionman.error.drained"
    assert "0.5 s" in call.error.message


def test_a_second_signal_hurries(author: Author) -> None:
    running = author.shell("demo").module("demo", SLOW).ready()
    with author.caller() as caller:
        call = Call(caller, "app.demo.slow", {"seconds": 20})
        in_flight(running)
        running.popen.send_signal(signal.SIGINT)
        running.until("draining")
        assert running.end(signal.SIGINT) == 0
        call.join()
    assert call.error is not None
    assert call.error.uri == "ionman.error.drained"


def test_killed_it_leaves_no_registration(author: Author) -> None:
    author.shell("demo").module("demo", SLOW)
    first, second = author.ready(), author.ready()
    first.end(signal.SIGKILL)
    deadline = time.monotonic() + 5
    with author.caller() as caller:
        while True:  # until the router has seen the connection end
            pids = set()
            for _ in range(4):
                try:
                    pids.add(caller.call("app.demo.pid")["pid"])
                except WampError:
                    pids.add(0)
            if pids == {second.popen.pid} or time.monotonic() > deadline:
                break
        assert pids == {second.popen.pid}
        second.end(signal.SIGKILL)
        time.sleep(0.3)
        with pytest.raises(WampError) as caught:
            caller.call("app.demo.pid")
    assert caught.value.uri == "wamp.error.no_such_procedure"


def test_a_router_that_comes_late_and_one_that_restarts(breaking: Author) -> None:
    router = breaking.router
    assert router is not None
    # The same service logs in with a key here, and with a password everywhere else.
    (breaking.folder / "own.key").write_text(SEED.hex())
    user = {"name": "keyed", "key": bytes(SigningKey(SEED).verify_key).hex(), "role": "service_demo"}
    router.description["realms"][0]["users"].append(user)
    breaking.configure(user="keyed", password=None, key="own.key")
    running = breaking.shell("demo").module("demo", SLOW).start()
    running.until_said(f"router {router.address} cannot be reached: connection refused; nothing listens there")
    time.sleep(1.5)
    assert running.said().count("cannot be reached") == 1
    assert running.ask()["state"] == "connecting"
    router.start()
    running.until("ready")
    for end in (router.stop, router.kill):
        end()
        running.until("connecting")
        router.start()
        running.until("ready")
        with breaking.caller() as caller:
            assert caller.call("app.demo.pid")["pid"] == running.popen.pid
    assert running.end() == 0
    assert "Traceback" not in running.said()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("arguments", [(), ("twistd", "--pidfile=", "-ny", "demo.py")])
def test_a_signal_while_the_modules_are_imported(alone: Author, number: int, arguments: tuple[str, ...]) -> None:
    alone.shell("demo").module("demo", f"import time\nprint('importing', flush=True)\ntime.sleep(1.5)\n{HEAD}    pass")
    running = alone.start(*arguments)
    said = "importing\n" if arguments else "importing\nimporting\n"  # checked before it becomes twistd, then by twistd
    running.until_said(said)
    assert running.end(number) == 0
    assert running.said() == said
    assert not list(alone.folder.glob("*.sock*"))


def test_ctrl_c_in_the_first_moments_prints_no_traceback(alone: Author) -> None:
    # The stand-in is imported by what the runtime is made of, long before anything of a service is.
    (alone.folder / "early").mkdir()
    (alone.folder / "early/twisted.py").write_text("import time\nprint('early', flush=True)\ntime.sleep(20)\n")
    running = alone.shell("demo").module("demo", SLOW).start(PYTHONPATH=str(alone.folder / "early"))
    running.until_said("early")
    assert running.end(signal.SIGINT) == 130
    assert running.said() == "early\n"


def test_files_that_are_named_like_pythons_own(author: Author) -> None:
    author.shell("json", "twisted")
    for name in ("json", "twisted"):
        author.module(name, f"def app_{name}_one(self, argv, details):\n    return self.ok()", folder=".")
    running = author.ready()
    assert running.ask()["procedures"] == ["app.json.one", "app.twisted.one"]
    assert running.end() == 0


def test_a_signal_while_the_router_is_away(alone: Author) -> None:
    running = alone.shell("demo").module("demo", SLOW).start()
    running.until_said("cannot be reached")
    assert running.end() == 0


def test_a_signal_while_the_router_says_nothing(alone: Author) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running = (
            alone.shell("demo").module("demo", SLOW).configure(host="127.0.0.1", port=silent.getsockname()[1]).start()
        )
        with silent.accept()[0]:
            began = time.monotonic()
            assert running.end() == 0
            assert time.monotonic() - began < 5
    assert "trying again" not in running.said()


def test_a_paused_logger_does_not_stop_the_service(author: Author) -> None:
    body = "def app_demo_talk(self, argv, details):\n    print('x' * 1000)\n    return self.ok()"
    author.shell("demo").module("demo", body)
    reading, writing = os.pipe()
    log = author.folder / "1.log"
    popen = process.start(
        [author.file], stdout=writing, env=author.environ(IONMAN_CONTROL=str(author.folder / "1.sock")),
        cwd=author.folder, die_with_parent=True,
    )  # fmt: skip
    os.close(writing)
    log.write_text("")
    running = Running(popen, log, author.folder / "1.sock")
    running.until("ready")
    with author.caller() as caller:
        for _ in range(200):  # a pipe takes 64 kB
            assert caller.call("app.demo.talk") == {"status": "OK"}
    taken = os.read(reading, 1 << 20)
    assert taken
    with author.caller() as caller:
        caller.call("app.demo.talk")
    assert b"lines were dropped" in taken + os.read(reading, 1 << 20)
    assert running.end() == 0
    os.close(reading)


def test_events_reach_every_instance_once(author: Author) -> None:
    body = """
from IonmanClass import RegistrationsClass, SubscriptionsClass, topic
HEARD = []
class Subscriptions(SubscriptionsClass):
    def app_demo_news(self, data, details):
        HEARD.append(data)
    @topic("app.demo.big_news")
    async def big(self, data, details):
        HEARD.append(["big", data])
    def app_demo_broken(self, data, details):
        raise ValueError("broken")
class Registrations(RegistrationsClass):
    async def app_demo_tell(self, argv, details):
        await self.publish("app.demo.news", argv)
        await self.publish("app.demo.big_news", 1)
        await self.publish("app.demo.broken")
    def app_demo_heard(self, argv, details):
        return HEARD
"""
    author.shell("demo").module("demo", body)
    first, second = author.ready(), author.ready()
    with author.caller() as caller:
        caller.call("app.demo.tell", {"n": 1})
        for _ in range(2):
            assert caller.call("app.demo.heard") == [{"n": 1}, ["big", 1]]
    first.until_said("an event was not handled")
    assert (first.end(), second.end()) == (0, 0)


def test_flat_files_and_a_service_in_one_file(author: Author, tmp_path: Path) -> None:
    one = Author(tmp_path / "flat", author.router, name="worker").configure()
    one.shell("get").module("get", "def app_get_it(self, argv, details):\n    return self.ok()", folder=".")
    both = Author(tmp_path / "single", author.router, name="single").configure(service="alone")
    both.file.write_text(
        "#!/usr/bin/env python3\nimport ionman\nfrom IonmanClass import RegistrationsClass\n"
        "class Registrations(RegistrationsClass):\n"
        "    def app_single_it(self, argv, details):\n        return self.ok()\n"
        "class MicroService(ionman.microservice):\n    Modules = ['single']\n"
        "application = MicroService()\n"
    )
    both.file.chmod(0o755)
    running = [one.ready(), both.ready()]
    assert [each.ask()["service"] for each in running] == ["worker", "alone"]
    with author.caller() as caller:
        assert caller.call("app.get.it") == caller.call("app.single.it") == {"status": "OK"}
    assert [each.end() for each in running] == [0, 0]
    one.close()
    both.close()


def test_what_the_control_socket_says(author: Author) -> None:
    (author.folder / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1.2.3"\n')
    author.shell("demo").module("demo", SLOW).configure(title="A Title")
    running = author.ready(IONMAN_INSTANCE="demo.ab12cd34.1")
    document = running.ask()
    assert {key: document[key] for key in ("service", "instance", "title", "version", "pid", "state")} == {
        "service": "demo",
        "instance": "demo.ab12cd34.1",
        "title": "A Title",
        "version": "1.2.3",
        "pid": running.popen.pid,
        "state": "ready",
    }
    assert author.router is not None
    assert document["routers"] == {author.router.address: {"state": "ready", "error": ""}}
    assert document["procedures"] == ["app.demo.slow", "app.demo.pid"]
    assert json.dumps(document)
    assert running.end() == 0
    assert not (author.folder / "1.sock").exists()


def test_the_wire_is_cbor_only(alone: Author) -> None:
    """Without TLS the opening handshake can be read: it offers one subprotocol at one path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        alone.shell("demo").module("demo", SLOW).configure(host="127.0.0.1", port=listener.getsockname()[1], tls=False)
        running = alone.start()
        listener.settimeout(20)
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(65536).decode()
    assert request.startswith("GET /ws HTTP/1.1")
    offered = [line.partition(": ")[2] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Protocol")]
    assert offered == ["wamp.2.cbor"]
    assert running.end() == 0


def test_an_instance_is_on_every_router(breaking: Author, router: Crossbar) -> None:
    other = breaking.router
    assert other is not None
    both = breaking.folder / "both.pem"
    both.write_bytes(router.ca.read_bytes() + other.ca.read_bytes())
    breaking.shell("demo").module("demo", TWO)
    breaking.configure(host=None, port=None, routers=f"{router.address}, {other.address}", ca=both)
    running = breaking.start()
    running.until_said(f"ready on router {router.address}")
    document = running.ask()
    assert document["state"] == "connecting"
    assert document["routers"][router.address] == {"state": "ready", "error": ""}
    running.until_said(f"router {other.address} cannot be reached: connection refused")
    other.start()
    running.until("ready")
    for one in (router, other):
        with Author(breaking.folder, one).caller() as caller:
            assert caller.call("app.two.tell", "x") == {"status": "OK"}
    with Author(breaking.folder, router).caller() as caller:
        # Published on both routers by an instance that listens on both, each event is heard once.
        assert caller.call("app.two.heard") == ["x", "x"]
        other.kill()
        running.until("connecting")
        assert caller.call("app.two.heard") == ["x", "x"]
    assert running.end() == 0
    assert "Traceback" not in running.said()


def test_debug_tells_of_calls_and_python_s_logging_is_heard(author: Author) -> None:
    body = "import logging\n" + HEAD + indent(
        "def app_demo_log(self, argv, details):\n"
        "    logging.getLogger('mine').warning('from %s', 'logging')\n    print('printed')\n    return self.ok()"
    )  # fmt: skip
    running = author.shell("demo").module("demo", body).configure(debug=True).ready()
    with author.caller() as caller:
        caller.call("app.demo.log", {"secret": "argument"})
    running.until_said("app.demo.log called by alice: answered after")
    assert " warn demo.local." in running.said()
    assert "from logging" in running.said()
    assert "printed" in running.said()
    assert running.end() == 0
    assert "argument" not in running.said()
    assert "myservicepassword" not in running.said()
