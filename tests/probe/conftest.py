"""Instances on the shared router, and a probe of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ionman
from ionman.calls.client import Client
from ionman.probes import Probing
from tests.crossbar import Crossbar
from tests.probe.fleet import SERVICE, Instances

Probe = Callable[..., Probing]


@pytest.fixture
def instances(tmp_path: Path, router: Crossbar) -> Iterator[Instances]:
    """None yet."""
    some = Instances(tmp_path / "service", router)
    yield some
    some.close()


@pytest.fixture
def probe(tmp_path: Path, router: Crossbar) -> Probe:
    """Makes a probe of the instances, by the role ops or by another user."""

    def make(rate: float = 100, user: str = "ops", **how: Any) -> Probing:
        def connect() -> Client:
            return ionman.connect([router.address], user=user, password=router.users[user], ca=router.ca)

        return Probing(connect, SERVICE, rate, tmp_path / "history.jsonl", **how)

    return make
