"""Authors for the tests of the runtime."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crossbar import Crossbar
from tests.runtime.author import Author


@pytest.fixture
def author(tmp_path: Path, router: Crossbar) -> Iterator[Author]:
    """One who writes for the shared router."""
    one = Author(tmp_path, router).configure()
    yield one
    one.close()


@pytest.fixture
def other(tmp_path: Path, router: Crossbar) -> Iterator[Author]:
    """Another one who writes for the shared router, beside `author`."""
    one = Author(tmp_path / "other", router, name="other").configure()
    yield one
    one.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Author]:
    """One without a router: port 9 is where nothing listens."""
    one = Author(tmp_path, None).configure(host="127.0.0.1", port=9)
    yield one
    one.close()


@pytest.fixture
def breaking(tmp_path: Path, own_router: Crossbar) -> Iterator[Author]:
    """One who writes for a router of this test's own, not started yet."""
    one = Author(tmp_path, own_router).configure()
    yield one
    one.close()
