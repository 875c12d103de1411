"""Hosts as those of tests/host, and Prometheus's own checker."""

from pathlib import Path

import pytest

from tests.host.conftest import clean, host, hosts, ionman

__all__ = ["clean", "host", "hosts", "ionman"]
PROMTOOL = Path(__file__).parents[2] / "build/tools/promtool"


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus's own checker, of Debian's package `prometheus`, unpacked by `make setup`."""
    assert PROMTOOL.exists(), "run `make setup`"
    return PROMTOOL
