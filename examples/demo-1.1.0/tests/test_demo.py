"""The four modules, called as the router would, without one."""

from pathlib import Path

import pytest

from ionman.testing import Published, Service

FILE = Path(__file__).parents[1] / "demo.py"
LARGE = [
    {"expression": text} for text in ("-" * 100_000 + "1", "1e308 * 10", "9999999999 * 9999999999", "1e999 - 1e999")
]


@pytest.fixture
def service():
    return Service(FILE)


def test_method1_knows_who_calls(service):
    answer = service.call("app.demo.method1", user="alice")
    assert answer == {"status": "OK", "result": "Hello alice, this is method1 of 1.1.0", "version": "1.1.0"}
    assert service.call("app.demo.method2")["status"] == "OK"
    assert service.call("app.demo.method1") == {"status": "FAIL", "message": "not authorized"}


@pytest.mark.parametrize(("expression", "result"), [("2 * (3 + 4)", 14), ("-1 + .5", -0.5), ("7 / 2", 3.5)])
def test_calculate(service, expression, result):
    assert service.call("app.rpc.calculate", {"expression": expression}) == {"status": "OK", "result": result}


@pytest.mark.parametrize(
    "argv", [{}, [], {"expression": "1 +"}, {"expression": "1 / 0"}, {"expression": "exit()"}, *LARGE]
)
def test_calculate_says_what_it_cannot(service, argv):
    assert service.call("app.rpc.calculate", argv)["status"] == "FAIL"


def test_report_asks_another_procedure(service):
    assert service.call("app.rpc.report", {"name": "ur"})["names"] == ["Mercury", "Saturn", "Uranus"]
    service.stubs["app.get.planets"] = lambda _: {"status": "OK", "planets": [{"name": "Vulcan"}]}
    assert service.call("app.rpc.report") == {"status": "OK", "count": 1, "names": ["Vulcan"]}


def test_wait(service):
    assert service.call("app.rpc.wait", {"seconds": 0.01}) == {"status": "OK", "waited": 0.01}
    assert service.call("app.rpc.wait", {"seconds": 1000})["status"] == "FAIL"


def test_planets_are_narrowed_sorted_and_cut(service):
    answer = service.call("app.get.planets", {"moons_at_least": 1, "order": "moons", "descending": True, "limit": 2})
    assert answer["total"] == 6
    assert [planet["name"] for planet in answer["planets"]] == ["Saturn", "Jupiter"]


@pytest.mark.parametrize("argv", [[], {"colour": "red"}, {"order": "size"}, {"limit": -1}, {"name": 3}])
def test_planets_say_which_parameter_is_wrong(service, argv):
    assert service.call("app.get.planets", argv)["status"] == "FAIL"


def test_a_message_is_published_and_remembered(service):
    assert service.call("app.msg.post", {"text": "hello"}, user="bob") == {"status": "OK"}
    assert service.published == [Published("app.msg.posted", {"author": "bob", "text": "hello"})]
    service.event("app.msg.posted", {"author": "somebody else", "text": "I am bob"}, user="mallory")
    assert service.call("app.msg.recent")["messages"] == [
        {"author": "bob", "text": "hello"},
        {"author": "mallory", "text": "I am bob"},
    ]
    assert service.call("app.msg.post", {"text": "hello"})["status"] == "FAIL"
