"""Fixtures that several nouns share: a real router, started once for the whole run, and one for tests that break it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crossbar import Crossbar

# The cheap ones first, so that a mistake shows early; a folder that is not named comes after these.
ORDER = ("unit", "roles", "call", "runtime", "router", "lock", "probe", "browser", "host", "deb", "fleet")
# Spread over processes (`pytest -n 2`) are files, but these folders share what is slow to make; they go first.
TOGETHER = ("fleet", "deb")
HERE = Path(__file__).parent
collect_ignore = ["faults"]  # heavy: `make faults`


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    spread = "PYTEST_XDIST_WORKER" in os.environ
    order = (*TOGETHER, *ORDER) if spread else ORDER

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(HERE).parts[0]

    items.sort(key=lambda item: order.index(folder(item)) if folder(item) in order else len(order))
    for item in items:
        group = folder(item) if folder(item) in TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session", autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have the sockets of services that are started by hand among the run's own files, not in a folder that stays."""
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    """A running Crossbar that every test shares: leave nothing registered on it, and do not stop it."""
    crossbar = Crossbar(tmp_path_factory.mktemp("router"))
    yield crossbar.start()
    crossbar.stop()


@pytest.fixture
def own_router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossbar]:
    """A Crossbar for one test, not started yet: describe it, start it, kill it."""
    crossbar = Crossbar(tmp_path_factory.mktemp("own_router"))
    yield crossbar
    crossbar.kill()
