"""Whether a service answers by its routers, asked of an instance of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import control
from ionman.errors import Unavailable
from tests.crossbar import Crossbar, free_port
from tests.runtime.author import Author


@pytest.fixture
def author(tmp_path: Path, router: Crossbar) -> Iterator[Author]:
    one = Author(tmp_path, router).configure().shell("demo")
    one.module("demo", "def app_through_one(self, argv, details):\n    return self.ok()")
    yield one
    one.close()


def test_each_router_is_tried(author: Author, router: Crossbar) -> None:
    away = free_port()
    author.configure(host=None, port=None, routers=f"{router.address}, localhost:{away}")
    running = author.start()
    running.until_said(f"ready on router {router.address}")
    running.until_said("nothing listens there")
    found = control.through(running.socket)
    assert found[router.address]["error"] == ""
    assert 0 < found[router.address]["ms"] < 4000
    assert "nothing listens there" in found[f"localhost:{away}"]["error"]
    (calls,) = [one["calls"] for uri, one in running.ask()["stats"].items() if uri.endswith(".probe")]
    assert calls == 1
    running.end()
    with pytest.raises(Unavailable):
        control.through(running.socket)
