"""What is done to a service in its life, with callers that must not notice."""

import pytest

from tests.faults.bad import GOOD, files
from tests.faults.scene import Scene

pytestmark = pytest.mark.timeout(900)


def count(scene: Scene) -> int:
    return len(scene.running())


def test_a_new_version_and_back(scene: Scene) -> None:
    before = set(scene.running().values())
    with scene.probed(3):
        scene.play("deploy", demo_version="1.1.0")
    assert before.isdisjoint(scene.running().values())
    with scene.probed(3):
        scene.play("rollback", demo_version="1.1.0", service="demo")
    assert count(scene) == 3
    assert scene.versions() == {"1.0.0"}


def test_another_configuration(scene: Scene) -> None:
    before = set(scene.running().values())
    config = scene.services()[0]["config"] | {"title": "Another title"}
    with scene.probed(3):
        scene.play("service", service_list=scene.services(config=config))
    assert before.isdisjoint(scene.running().values())
    assert count(scene) == 3


def test_from_one_supervisor_to_the_other(scene: Scene, supervisor: str) -> None:
    with scene.probed(3):
        scene.use("systemd" if supervisor == "svc" else "svc")
    assert count(scene) == 3


def test_more_and_fewer(scene: Scene) -> None:
    with scene.probed(3):
        scene.play("scale", service="demo", total=6)
        assert count(scene) == 6
    with scene.probed(2):
        scene.play("scale", service="demo", total=2)
        assert count(scene) == 2
    with scene.probed(2):
        scene.play("scale", service="demo", total=3)
        assert count(scene) == 3


def test_a_release_made_by_hand_is_as_good(scene: Scene) -> None:
    """The releases of test_bad.py are bad for what they say, and for nothing else."""
    scene.publish("1.2.0", files(GOOD))
    with scene.probed(3):
        scene.play("deploy", demo_version="1.2.0", service_list=scene.services(verify=[scene.verify]))
    assert scene.versions() == {"1.2.0"}
