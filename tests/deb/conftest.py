"""Packages, built for real and once for all tests: the demo in two versions, ionman, Crossbar."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ionman.debs.builder import TREE
from ionman.debs.dist import Outcome, State, Wish, apply
from ionman.lab.github import Double
from ionman.lab.releases import demo_releases
from ionman.lab.root import Root, clean_root


@dataclass(frozen=True)
class Dist:
    """What was built, by package name, and the endpoint it was built from."""

    state: State
    outcomes: dict[str, Outcome]
    double: Double

    def deb(self, package: str) -> Path:
        return Path(self.outcomes[package].path or "")


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Double]:
    """The endpoint with the lab's releases; a test may publish more."""
    folder = tmp_path_factory.mktemp("releases")
    demo_releases(TREE / "examples", folder)
    with Double(folder) as running:
        yield running


@pytest.fixture(scope="session")
def dist(double: Double, tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """The packages that the lab needs, and the demo's next version."""
    wishes = (Wish("ionman/demo", "v1.0.0"), Wish("ionman/demo", "v1.1.0"))
    state = State(tmp_path_factory.mktemp("dist"), double.url, ("ionman", "crossbar"), wishes)
    outcomes = apply(state, print)
    return Dist(state, {outcome.package: outcome for outcome in outcomes}, double)


@pytest.fixture
def root() -> Iterator[Root]:
    """A Debian that nobody has touched."""
    with clean_root() as fresh:
        yield fresh
