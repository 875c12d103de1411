"""Reading a JSON document key by key, so that every complaint names its place."""

import re
from collections.abc import Collection
from typing import Any

from ionman.errors import InputError


class Section:
    """One JSON object with its place in the document: takes keys out of it, and refuses what is left."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise InputError(f"{place}: must be an object, is {kind(value)}")
        self._value = dict(value)
        self._known: list[str] = []
        self.place = place

    def at(self, key: str) -> str:
        """The place of `key` in the document."""
        return f"{self.place}.{key}" if self.place else key

    @property
    def keys(self) -> list[str]:
        """Every key that is there, in the document's order."""
        return list(self._value)

    def has(self, key: str) -> bool:
        """Whether `key` is there (and known from now on)."""
        self._known.append(key)
        return key in self._value

    def take(self, key: str, types: type | tuple[type, ...], default: Any = None) -> Any:
        """The value of `key`, of one of `types`; without a default it must be there. A bool is no number."""
        if not self.has(key):
            if default is None:
                raise InputError(f"{self.at(key)}: is missing")
            return default
        value = self._value[key]
        kinds = types if isinstance(types, tuple) else (types,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(_NAMES.get(one, one.__name__) for one in kinds)
            raise InputError(f"{self.at(key)}: must be {wanted}, is {kind(value)}")
        return value

    def text(self, key: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        """The string `key` that `pattern` matches as a whole."""
        value: str = self.take(key, str, default)
        if not pattern.fullmatch(value):
            raise InputError(f"{self.at(key)}: {value!r} does not match {pattern.pattern}")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """The number `key` between `low` and `high`."""
        value: float = self.take(key, (int, float), default)
        if not low <= value <= high:
            raise InputError(f"{self.at(key)}: {value:g} is not between {low:g} and {high:g}")
        return value

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """The whole number `key` between `low` and `high`."""
        self.take(key, int, default)
        return int(self.number(key, low, high, default))

    def done(self, others: Collection[str] = ()) -> None:
        """Refuse every key that nobody took; `others` are known too."""
        unknown = sorted(set(self._value) - set(self._known) - set(others))
        if unknown:
            known = ", ".join(sorted({*self._known, *others}))
            raise InputError(f"{self.at(unknown[0])}: is not known", remedy=f"known here: {known}")


_NAMES: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def kind(value: Any) -> str:
    """What `value` is, in the words of JSON."""
    return _NAMES.get(type(value), type(value).__name__)
