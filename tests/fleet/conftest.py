"""One lab for all fleet tests: `test`, three hosts, gone with this run even when that is killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman.lab import lifecycle
from ionman.lab.hosts import Standing

NAME = "test"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.fleet)


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def lab() -> Iterator[Standing]:
    """The lab, standing, with nothing left of an earlier run; also what `inventory/lab` names meanwhile."""
    before = os.environ.get("IONMAN_LAB")
    lifecycle.down(NAME, tell)
    lifecycle.up(NAME, 3, os.getpid(), tell)
    os.environ["IONMAN_LAB"] = NAME
    yield Standing(NAME)
    if before is None:
        del os.environ["IONMAN_LAB"]
    else:
        os.environ["IONMAN_LAB"] = before
    lifecycle.down(NAME, tell)
