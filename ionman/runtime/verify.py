"""Calls with known answers, which an instance asks itself before it offers anything: a release that answers wrongly
never gets a caller.

The file that IONMAN_VERIFY names holds a JSON list of ``{"uri", "argv", "answer"}``. Of an object that is expected,
every key that is given has to be there with that value; everything else has to be equal, with JSON's idea of equal:
true is not 1.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionman.errors import ConfigurationError, IonmanError, WampError

SHOWN = 400  # characters of an answer in a message
REMEDY = 'it is a JSON list of {"uri": "app.demo.method1", "argv": {}, "answer": {"status": "OK"}}'


@dataclass(frozen=True)
class Check:
    """One call and what its answer has to have."""

    uri: str
    argv: Any
    answer: Any


def checks(environ: Mapping[str, str], procedures: Collection[str]) -> tuple[Check, ...]:
    """Read the checks that the environment names; raises `ConfigurationError` for what cannot be asked."""
    named = environ.get("IONMAN_VERIFY", "")
    if not named:
        return ()
    path = Path(named)
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"IONMAN_VERIFY: {path} cannot be read: {error.strerror}", remedy="let the service's user read it"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"IONMAN_VERIFY: {path} is not JSON: {error}", remedy=REMEDY) from error
    if not isinstance(found, list):
        raise ConfigurationError(f"IONMAN_VERIFY: {path} is not a list", remedy=REMEDY)
    return tuple(_check(item, f"IONMAN_VERIFY: {path}, check {at}", procedures) for at, item in enumerate(found, 1))


def _check(item: Any, where: str, procedures: Collection[str]) -> Check:
    if not isinstance(item, dict) or set(item) - {"uri", "argv", "answer"} or not {"uri", "answer"} <= set(item):
        raise ConfigurationError(f"{where} is not uri, argv and answer", remedy=REMEDY)
    if item["uri"] not in procedures:
        raise ConfigurationError(
            f"{where}: verify asks for {item['uri']}, which this service does not have",
            remedy=f"it has {', '.join(sorted(procedures)) or 'none'}",
        )
    return Check(item["uri"], item.get("argv", {}), item["answer"])


def wrong(check: Check, outcome: Any) -> IonmanError | None:
    """Return the end of a start for an `outcome`, an answer or the `WampError` instead of one, that is not right."""
    failed = isinstance(outcome, WampError)
    if not failed and matches(check.answer, outcome):
        return None
    said = f"with the error {outcome.message}" if failed else _shown(outcome)
    return IonmanError(
        f"verify: {check.uri} answered {said}, expected {_shown(check.answer)}",
        remedy="this release gets no callers; correct it, or what verify expects of it",
    )


def matches(expected: Any, found: Any) -> bool:
    """Whether `found` has all that `expected` says."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return all(key in found and matches(value, found[key]) for key, value in expected.items())
    return _same(expected, found)


def _same(one: Any, other: Any) -> bool:
    """Equality as JSON has it."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
