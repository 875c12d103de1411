"""A release that answers wrongly never gets a caller; probe and call, the parts of the contract that deploys use."""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from ionman import process
from ionman.errors import WampError
from tests.runtime.author import PATIENCE, Author

RIGHT = """
def app_demo_sum(self, argv, details):
    return self.ok({"sum": sum(argv.get("numbers", []))})

async def app_demo_twice(self, argv, details):
    answer = await self.call("app.demo.sum", {"numbers": argv["numbers"] * 2})
    return self.ok({"sum": answer["sum"]})
"""
WRONG = RIGHT.replace("sum(argv", "1 + sum(argv")
SUM = {"uri": "app.demo.sum", "argv": {"numbers": [1, 2]}, "answer": {"status": "OK", "sum": 3}}


def verifying(author: Author, *checks: Mapping[str, Any]) -> dict[str, str]:
    path = author.folder / "verify.json"
    path.write_text(json.dumps(checks))
    return {"IONMAN_VERIFY": str(path)}


class Calling(threading.Thread):
    """Calls again and again, and keeps what was answered and what went wrong."""

    def __init__(self, author: Author, uri: str, argv: Any) -> None:
        super().__init__()
        self._author, self._uri, self._argv = author, uri, argv
        self._enough = threading.Event()
        self.answers: list[Any] = []
        self.errors: list[str] = []

    def __enter__(self) -> "Calling":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._enough.set()
        self.join()

    def run(self) -> None:
        with self._author.caller() as caller:
            while not self._enough.is_set():
                try:
                    self.answers.append(caller.call(self._uri, self._argv))
                except WampError as error:
                    self.errors.append(str(error))


def test_a_right_answer_and_one_that_needs_the_service_itself(author: Author) -> None:
    twice = {"uri": "app.demo.twice", "argv": {"numbers": [1]}, "answer": {"sum": 2}}
    author.shell("demo").module("demo", RIGHT)
    running = author.ready(**verifying(author, SUM, twice))
    assert running.ask()["stats"]["app.demo.sum"]["calls"] == 2
    assert running.end() == 0


def test_a_wrong_answer_ends_the_start_and_no_caller_ever_sees_it(author: Author) -> None:
    author.shell("demo").module("demo", RIGHT)
    good = author.ready(**verifying(author, SUM))
    author.module("demo", WRONG)
    with Calling(author, "app.demo.sum", {"numbers": [2, 3]}) as calling:
        status, said = author.run(**verifying(author, SUM))
    assert status == 70
    assert 'verify: app.demo.sum answered {"status": "OK", "sum": 4}, expected {"status": "OK", "sum": 3}' in said
    assert "this release gets no callers" in said
    assert "Traceback" not in said
    assert (calling.errors, {answer["sum"] for answer in calling.answers}) == ([], {5})
    assert good.end() == 0


def test_an_error_is_a_wrong_answer_and_one_that_does_not_come_is_not_awaited_for_ever(author: Author) -> None:
    body = RIGHT + "\nasync def app_demo_never(self, argv, details):\n    from twisted.internet.defer import Deferred\n"
    author.shell("demo").module("demo", body + "    await Deferred()\n").configure(call_timeout=1)
    never = {"uri": "app.demo.never", "argv": {}, "answer": {"status": "OK"}}
    status, said = author.run(**verifying(author, SUM, never))
    assert status == 70
    assert "verify: app.demo.never answered with the error ionman.error.timeout: app.demo.never did not answer" in said
    status, said = author.run(**verifying(author, SUM | {"argv": {"numbers": ["x"]}}))
    assert status == 70
    assert "verify: app.demo.sum answered with the error ionman.error.handler" in said


def test_a_signal_while_it_verifies(author: Author) -> None:
    body = "async def app_demo_never(self, argv, details):\n    from twisted.internet.defer import Deferred\n"
    author.shell("demo").module("demo", body + "    print('asked')\n    await Deferred()")
    running = author.start(**verifying(author, {"uri": "app.demo.never", "answer": 1}))
    running.until_said("asked")
    began = time.monotonic()
    assert running.end() == 0
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "verify.json is not JSON"),
        ("{}", "verify.json is not a list"),
        ('[{"uri": "app.demo.sum"}]', "verify.json, check 1 is not uri, argv and answer"),
        ('[{"uri": "app.demo.gone", "answer": 1}]', "app.demo.gone, which this service does not have"),
    ],
)
def test_what_cannot_be_asked_stops_the_start(alone: Author, text: str, said: str) -> None:
    path = alone.shell("demo").module("demo", RIGHT).folder / "verify.json"
    path.write_text(text)
    status, output = alone.run(IONMAN_VERIFY=str(path))
    assert (status, said in output, "Traceback" in output) == (78, True, False), output


def test_probe_is_shared_and_call_reaches_one_instance(author: Author) -> None:
    author.shell("demo").module("demo", RIGHT)
    running = [author.ready(IONMAN_INSTANCE=f"demo.ab12cd34.{number}") for number in (1, 2, 3)]
    with author.caller("ops") as ops:
        answers = [ops.call("ionman.service.demo.probe", {"n": n}) for n in range(6)]
        assert [(answer["status"], answer["n"]) for answer in answers] == [("OK", n) for n in range(6)]
        assert [answer["instance"] for answer in answers] == [f"demo.ab12cd34.{n}" for n in (1, 2, 3, 1, 2, 3)]
        assert {answer["generation"] for answer in answers} == {"ab12cd34"}
        host = "".join(char if char.isalnum() else "_" for char in answers[0]["host"].lower())
        call = f"ionman.service.demo.{host}.ab12cd34.2.call"
        for _ in range(4):
            assert ops.call(call, {"uri": "app.demo.sum", "argv": {"numbers": [5]}}) == {"status": "OK", "sum": 5}
        wrong: list[Any] = [{"uri": "app.other.one"}, {"uri": 1}, [], {"uri": "app.demo.sum", "more": 1}]
        for argv in wrong:
            with pytest.raises(WampError, match=r"no_such_procedure|invalid_argument"):
                ops.call(call, argv)
        with pytest.raises(WampError, match="the probe is sent"):
            ops.call("ionman.service.demo.probe", {"n": "1"})
    assert [one.ask()["stats"]["app.demo.sum"]["calls"] for one in running] == [0, 4, 0]
    assert [one.ask()["stats"]["ionman.service.demo.probe"]["calls"] for one in running] == [3, 2, 2]
    assert [one.end() for one in running] == [0, 0, 0]


def test_a_release_that_verifies_nothing_of_twistd(author: Author) -> None:
    """Started by the supervisor's command it ends in the same way."""
    author.shell("demo").module("demo", WRONG)
    environ = author.environ(IONMAN_CONTROL=str(author.folder / "t.sock"), **verifying(author, SUM))
    done = process.run(
        ["twistd", "--pidfile=", "-ny", "demo.py"], cwd=author.folder, env=environ, check=False, timeout=PATIENCE
    )
    assert done.returncode == 70
    assert "verify: app.demo.sum answered" in done.stdout
