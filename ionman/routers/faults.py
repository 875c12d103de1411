"""Faults that several parts of a router's description can have: a bad name, a bad URI, the same thing twice."""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from ionman.routers import shape
from ionman.routers.schema import Problem


def matches(path: str, value: str, pattern: re.Pattern[str], what: str, remedy: str) -> Iterator[Problem]:
    """A `value` that is not `what`."""
    if not pattern.fullmatch(value):
        yield Problem(path, f"{value!r} is not {what}", remedy)


def twice(path: str, values: Iterable[Any], what: str) -> Iterator[Problem]:
    """Each of `values` that was there before; of a tuple its first part is named."""
    seen = set()
    for number, value in enumerate(values):
        if value in seen:
            shown = value[0] if isinstance(value, tuple) else value
            yield Problem(f"{path}[{number}]", f"the {what} {shown} is there twice", "keep one")
        seen.add(value)


def absolute(path: str, value: str) -> Iterator[Problem]:
    """A `value` that is no absolute path."""
    if not PurePosixPath(value).is_absolute():
        yield Problem(path, f"{value!r} is no absolute path", "name the file as it lies on the router's host")


def uri(path: str, value: str, match: str = "exact") -> Iterator[Problem]:
    """A `value` that is no URI, prefix or wildcard."""
    parts = "parts of a-z, 0-9, _"
    match match:
        case "exact" if not shape.URI.fullmatch(value):
            yield Problem(path, f"{value!r} is no URI", f"write {parts} with dots between: app.demo.method1")
        case "prefix" if not shape.URI_PREFIX.fullmatch(value):
            yield Problem(path, f"{value!r} is no prefix", f"write {parts}, each with its dot: app. or app.demo.")
        case "wildcard" if not shape.URI_WILDCARD.fullmatch(value) or "" not in value.split("."):
            remedy = f"write {parts}, the first of them not empty and another one empty: app..method1"
            yield Problem(path, f"{value!r} is no wildcard", remedy)
