"""Fixtures that several nouns share: a real router, started once for the whole run, and one for tests that break it."""

from collections.abc import Iterator

import pytest

from tests.crossbar import Crossbar


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
