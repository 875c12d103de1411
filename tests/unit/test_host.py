"""Plans of a host, from case files: `G` stands for the generation of demo 1.0.0, `H` for that of 1.1.0."""

import json
from pathlib import Path
from typing import Any

import pytest

from ionman.errors import InputError
from ionman.handover import plan
from ionman.host import Build, Facts, Found, Missing, generation, goal
from ionman.hosts import crossbar, difference
from ionman.hosts.crossbar import FoundNode
from ionman.hosts.layout import Layout
from ionman.hosts.state import Service, read
from ionman.record import Memory, Pending, Ran, Record

CASES = Path(__file__).parents[1] / "cases/host"
FOLDER = "/etc/ionman/service"
CONFIG = {"realm": "ionman", "user": "demo", "password": "s3cret", "routers": "host1:8443"}
BUILD = {"1.0.0": "one", "1.1.0": "two"}


def load(name: str) -> list[Any]:
    cases: list[Any] = json.loads((CASES / name).read_text())
    return [pytest.param(case, id=case["case"]) for case in cases]


def service(version: str = "1.0.0", instances: int = 1, **keys: Any) -> Service:
    described = {"name": "demo", "version": version, "instances": instances, "config": CONFIG, **keys}
    services = read(json.dumps({"services": [described]})).services
    assert services is not None
    return services[0]


NAMES = {"G": generation(service(), "one"), "H": generation(service("1.1.0"), "two")}


def named(text: str) -> str:
    for letter, name in NAMES.items():
        text = (
            text.replace(f".{letter}.", f".{name}.")
            .replace(f"/{letter}", f"/{name}")
            .replace(f"by {letter}", f"by {name}")
            .replace(f"with {letter}", f"with {name}")
            .replace(f"generation {letter} ", f"generation {name} ")
        )
    return text


OFFERS = {"demo.py": frozenset({"app.demo.method1", "app.demo.method2"})}
BUILDS = {("demo", version): Build(text, frozenset({"demo.py"}), OFFERS) for version, text in BUILD.items()}
GOALS = [goal(service(version), Facts(BUILDS), FOLDER) for version in BUILD]


def files(generations: list[str], text: str = "") -> dict[str, str]:
    """The configurations of these generations: as they should be, or all of them `text`."""
    known = {name: content for one in GOALS for name, content in one.files.items()}
    names = [f"demo/{NAMES.get(letter, letter)}/config.ini" for letter in generations]
    return {name: text or known.get(name, "of old") for name in names}


def memory(found: dict[str, Any]) -> Memory:
    """`good` (the oldest first), `failed` and `rolling` generations; `pending`: to which, and what ran."""
    entries = {NAMES[letter]: service(version).entry for letter, version in zip("GH", BUILD, strict=True)}
    records = {}
    for number, letter in enumerate(found.get("good", ())):
        name = NAMES.get(letter, letter)
        wanted = {**entries.get(name, {}), "instances": found.get("instances", 1)}
        records[name] = Record("good", f"2026-11-0{number + 1}T10:00:00+00:00", entry=wanted)
    for letter, why in found.get("failed", {}).items():
        records[NAMES.get(letter, letter)] = Record("failed", "2026-11-09T10:00:00+00:00", why)
    for letter in found.get("rolling", {}):
        records[NAMES.get(letter, letter)] = Record()
    if "pending" not in found:
        return Memory(records)
    to, ran, version, instances = found["pending"]
    tried = found.get("rolling", {}).get(to, False)
    return Memory(records, Pending(NAMES.get(to, to), Ran(NAMES.get(ran, ran), version, instances), tried))


def facts(found: dict[str, Any]) -> Facts:
    return Facts(
        memory={"demo": memory(found)},
        builds=BUILDS,
        programs={named(name): Found(**one) for name, one in found.get("programs", {}).items()},
        files=files(found.get("files", []), found.get("text", "")),
        runs=frozenset(named(name) for name in found.get("runs", ())),
        logs={named(name): age for name, age in found.get("logs", {}).items()},
    )


@pytest.mark.parametrize("case", load("plan/services.json"))
def test_services(case: dict[str, Any]) -> None:
    wanted = (service(**case["wanted"]),) if case["wanted"] else ()
    if "refused" in case:
        with pytest.raises(InputError) as caught:
            plan(wanted, facts(case["found"]), FOLDER)
        assert named(case["refused"]) in str(caught.value)
        return
    steps = plan(wanted, facts(case["found"]), FOLDER).steps
    assert [" ".join(str(step).split()) for step in steps] == [named(line) for line in case["plan"]]
    assert plan(wanted, facts(case["found"]), FOLDER).changed == any(
        not line.startswith("keep") for line in case["plan"]
    )


def rights(*procedures: str) -> str:
    """The rights file of a router with one service that may register these."""
    entries = [{"uri": uri, "match": "exact", "allow": ["register"]} for uri in procedures]
    return json.dumps({"realms": {"ionman": {"service_demo": entries}}})


@pytest.mark.parametrize("case", load("plan/router.json"))
def test_router(case: dict[str, Any]) -> None:
    described = {"version": "26.10.1", "certificate": "/c", "key": "/k", "realms": []}
    router = read(json.dumps({"router": described})).router
    assert router is not None
    texts = {"ionman_authorizer.py": "", "rights.json": rights("app.demo.method1"), "config.json": "{}"}
    node = crossbar.node(Layout(), router, texts, b"certificate")
    changed = case["found"].get("changed")  # part -> what it was; null: it was never seen to answer
    parts = {} if changed is None else {**node.parts, **changed}
    files = {**texts, **case["found"].get("files", {})}  # null: not there
    if "registers" in case["found"]:
        files["rights.json"] = rights(*case["found"]["registers"])
    told = {key: value for key, value in case["found"].items() if key not in ("changed", "files", "registers")}
    found = FoundNode(parts, {name: text for name, text in files.items() if text is not None}, **told)
    steps = crossbar.plan(node, found)
    assert [" ".join(str(step).split()) for step in steps] == case["plan"]


@pytest.mark.parametrize("case", load("state/refused.json"))
def test_refused(case: dict[str, Any]) -> None:
    text = case["state"] if isinstance(case["state"], str) else json.dumps(case["state"])
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.message.startswith(case["message"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "1.1.0"},
        {"file": "other.py"},
        {"environment": {"A": "b"}},
        {"limits": {"memory": 128}},
        {"config": {**CONFIG, "title": "Other"}},
        {"config": {**CONFIG, "password": "other"}},
        {"secrets": {"app_token": "x"}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_generation_changes_with_what_makes_an_instance(changed: dict[str, Any]) -> None:
    assert generation(service(**changed), "one") != NAMES["G"]


def test_a_generation_stays_with_what_does_not() -> None:
    assert generation(service(instances=3, ready_timeout=5), "one") == NAMES["G"]
    assert generation(service(), "another build") != NAMES["G"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(Missing, match=r"services\[0\]\.version: demo 2\.0\.0 is not installed on this host"):
        plan((service("2.0.0"),), facts({}), FOLDER)
    with pytest.raises(InputError, match=r"services\[0\]\.file: demo 1\.0\.0 has no other\.py; it has: demo\.py"):
        plan((service(file="other.py"),), facts({}), FOLDER)


def test_differences_show_settings_and_no_secret() -> None:
    found = facts({"programs": {"demo.G.1": {}}, "files": ["G"]})
    wanted = service("1.1.0", secrets={"app_hush": "unheard"}, config={**CONFIG, "app_token": "abc", "title": "New"})
    (shown,) = difference.services(plan((wanted,), found, FOLDER), found)
    assert "realm = ionman" in shown["before"]
    assert "title = New" in shown["after"]
    assert "password = (hidden)" in shown["before"] + shown["after"]
    for secret in ("s3cret", "unheard", "abc"):
        assert secret not in json.dumps(shown)


def test_credentials_of_the_router_are_masked() -> None:
    text = json.dumps({"a": [{"stored-key": "x1", "server-key": "x2", "salt": "x3", "memory": 19456}]})
    assert json.loads(difference.masked(text)) == {
        "a": [{"stored-key": "(hidden)", "server-key": "(hidden)", "salt": "(hidden)", "memory": 19456}]
    }
    assert "x1" not in difference.masked("no json x1")
