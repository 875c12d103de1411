"""Releases and configurations that must not get through: each is a failed deploy that nobody notices."""

import pytest

from tests.faults.bad import DIES, FAILS_AT_START, REFUSED, TAKEN, WRONG, files
from tests.faults.scene import Scene

pytestmark = pytest.mark.timeout(900)


def version(supervisor: str, number: int) -> str:
    """A version of its own under each supervisor, since one that failed is marked."""
    return f"2.{number}.{0 if supervisor == 'svc' else 1}"


def test_a_wrong_password(scene: Scene) -> None:
    scene.fails(r"password|refused|authenticat", "service", lab_password_demo="wrong")


def test_a_missing_permission(scene: Scene) -> None:
    alice = scene.services()[0]["config"] | {"user": "alice"}
    services = scene.services(config=alice, secrets={"password": "{{ lab_password_alice }}"})
    scene.fails(r"not.authorized|may not", "service", service_list=services)


def test_a_module_that_fails_at_start(scene: Scene, supervisor: str) -> None:
    bad = version(supervisor, 1)
    scene.publish(bad, files(FAILS_AT_START))
    scene.fails("the database is not there", "deploy", demo_version=bad)


def test_a_registration_that_is_refused(scene: Scene, supervisor: str) -> None:
    bad = version(supervisor, 2)
    scene.publish(bad, files(REFUSED))
    for playbook in ("deb", "repo", "host", "router"):
        scene.play(playbook, demo_version=bad)
    with scene.connect("demo") as somebody:
        somebody.register(TAKEN, lambda argv: argv)
        scene.fails(TAKEN, "service", demo_version=bad)


def test_one_that_dies_after_20_s(scene: Scene, supervisor: str) -> None:
    """Calls may be repeated here: what is in flight on a process that ends without a word is lost otherwise."""
    bad = version(supervisor, 3)
    scene.publish(bad, files(DIES))
    scene.fails(r"pid|ended|died|restarted", "deploy", idempotent=True, demo_version=bad, service_soak=30)


def test_one_that_answers_wrongly(scene: Scene, supervisor: str) -> None:
    bad = version(supervisor, 4)
    scene.publish(bad, files(WRONG))
    services = scene.services(verify=[scene.verify])
    scene.fails(r"verify: app\.demo\.method1", "deploy", demo_version=bad, service_list=services)
    scene.fails(r"(?s)failed on .*service_retry=true", "deploy", demo_version=bad, service_list=services)
