"""A lab of its own for what must lose no call: `faults`, three hosts, gone with this run even when that is killed."""

import os
from collections.abc import Iterator

import pytest

from ionman.lab import lifecycle
from tests.faults.scene import Scene, stand
from tests.fleet.deploy import tell

NAME = "faults"


@pytest.fixture(scope="session")
def scene() -> Iterator[Scene]:
    """Three hosts, one instance of the example at 1.0.0 on each."""
    yield stand(NAME, os.getpid())
    lifecycle.down(NAME, tell)


@pytest.fixture(scope="session", params=["svc", "systemd"])
def supervisor(request: pytest.FixtureRequest) -> str:
    """Everything is tried under both: first all of it under the one, then under the other."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def under(scene: Scene, supervisor: str) -> None:
    """Begin with the example at its good version under that supervisor, one instance on each host."""
    scene.use(supervisor)
