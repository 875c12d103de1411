"""One lab for all fleet tests: `test`, three hosts, gone with this run even when that is killed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman.demo.fleet import Fleet
from ionman.demo.report import Report
from ionman.lab import lifecycle
from ionman.lab.hosts import Standing
from tests.fleet import deploy

NAME = "test"
CHAIN = "chain"
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


@pytest.fixture(scope="session")
def chain_lab() -> Iterator[Standing]:
    """A lab of its own for what deploys the whole chain, with nothing on its hosts yet."""
    lifecycle.down(CHAIN, tell)
    lifecycle.up(CHAIN, 3, os.getpid(), tell)
    yield Standing(CHAIN)
    lifecycle.down(CHAIN, tell)


@pytest.fixture(scope="session")
def virgin_check(chain_lab: Standing) -> str:
    """The output of `deploy.yml --check --diff` before anything was deployed."""
    return deploy.check(chain_lab)


@pytest.fixture(scope="session")
def first_report(chain_lab: Standing, virgin_check: str) -> Report:
    """What the demo says the first time; afterwards the chain stands on `chain_lab`."""
    return Fleet(CHAIN, tell, os.getpid(), deploy.SHORT).up()
