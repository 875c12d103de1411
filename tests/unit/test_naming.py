"""Names to URIs."""

import pytest

from ionman import naming
from ionman.errors import ConfigurationError


@pytest.mark.parametrize(
    ("method", "uri"),
    [("app_demo_method1", "app.demo.method1"), ("_private", None), ("__init__", None), ("a__b", "a..b"), ("x", "x")],
)
def test_the_rule(method: str, uri: str | None) -> None:
    assert naming.uri_of(method) == uri


@pytest.mark.parametrize("uri", ["app.demo.method1", "a.b", "app.with_under_score.x", "app.1.2"])
def test_valid(uri: str) -> None:
    assert naming.problem(uri) == ""


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("app..demo", "empty part"),
        (".app.demo", "empty part"),
        ("app.demo.", "empty part"),
        ("", "empty part"),
        ("demo", "no dot"),
        ("app.Demo", "'Demo'"),
        ("app.de mo", "'de mo'"),
        ("app.demö", "'demö'"),
        ("app.#", "'#'"),
        ("wamp.session.count", "wamp. is reserved"),
        ("ionman.service.x", "ionman. is reserved"),
    ],
)
def test_invalid(uri: str, why: str) -> None:
    assert why in naming.problem(uri)


def test_two_claims_name_both_places() -> None:
    claims = [("app.a.b", "one.py: x"), ("app.a.c", "one.py: y"), ("app.a.b", "two.py: z")]
    assert naming.claimed_twice(claims) == ["app.a.b is claimed by one.py: x and by two.py: z"]


def test_an_instance_has_procedures_of_its_own_and_shares_the_probe() -> None:
    who = naming.Instance("my-demo", "ab12cd34", "1", "Host1.lab")
    assert who.name == "my-demo.ab12cd34.1"
    assert who.contract()["ping"] == "ionman.service.my_demo.host1_lab.ab12cd34.1.ping"
    assert sorted(who.contract()) == ["call", "info", "ping", "stats"]
    assert who.probe == naming.probe("my-demo") == "ionman.service.my_demo.probe"


def test_who_we_are() -> None:
    assert naming.instance("demo", {"IONMAN_INSTANCE": "demo.ab12cd34.2"}).name == "demo.ab12cd34.2"
    assert naming.instance("demo", {}).generation == "local"
    assert naming.instance("demo", {}).name != naming.instance("demo", {}).name
    with pytest.raises(ConfigurationError, match=r"not SERVICE\.GENERATION\.NUMBER"):
        naming.instance("demo", {"IONMAN_INSTANCE": "demo"})
