"""The shape of a router's description: which keys, of which types. ionman.routers.check asks what they mean."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One fault: `path` is its place in the inventory, as in `realms[0].users[2].role`."""

    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Text:
    """A string."""

    name = "text"
    required: bool = False


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int
    name = "a whole number"
    required: bool = False


@dataclass(frozen=True)
class Texts:
    """A list of strings."""

    name = "a list of texts"
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A mapping with these keys."""

    keys: Mapping[str, "Kind"] = field(default_factory=dict)
    name = "a mapping"
    required: bool = False


@dataclass(frozen=True)
class Tables:
    """A list of mappings."""

    each: Table
    name = "a list of mappings"
    required: bool = False


@dataclass(frozen=True)
class Other:
    """What is looked at elsewhere."""

    name = "anything"
    required: bool = False


Kind = Text | Whole | Texts | Table | Tables | Other

PERMISSION = Table({"uri": Text(True), "match": Text(), "allow": Texts(True)})
ROLE = Table({"name": Text(True), "permissions": Tables(PERMISSION), "authorizer": Text()})
USER = Table({"name": Text(True), "password": Text(), "key": Text(), "certificate": Text(), "role": Text(True)})
REALM = Table({"name": Text(True), "roles": Tables(ROLE), "users": Tables(USER), "anonymous": Text()})
SERVICE = Table(
    {
        **{"name": Text(True), "realm": Text(True), "user": Text(True), "password": Text(), "key": Text()},
        **{"procedures": Texts(True), "topics": Texts(), "calls": Texts(), "kept": Texts()},
    }
)
LINKS = Table(
    {
        **{"name": Text(True), "secret": Text(True), "ca": Text(True)},
        "peers": Tables(Table({"name": Text(True), "address": Text(True)})),
    }
)
ROUTER = Table(
    {
        **{"address": Text(), "port": Whole(1, 65535), "names": Texts(), "origins": Texts(), "page": Text()},
        **{"certificate": Text(True), "key": Text(True), "chain": Texts(), "serializers": Texts()},
        **{"max_connections": Whole(1, 1_000_000), "max_message_size": Whole(1024, 16 << 20)},
        **{"max_connections_per_address": Whole(1, 1_000_000), "login_timeout": Whole(1, 300)},
        **{"realms": Tables(REALM, True), "services": Tables(SERVICE), "links": LINKS},
        "users": Table({"database": Text()}),
        "machines": Table({"port": Whole(1, 65535), "ca": Text()}),
        # The host's own keys of the same section: see ionman.state.
        **{"version": Other(), "ready_timeout": Other(), "supervisor": Other(), "rolling": Other()},
    }
)


def problems(value: Any, kind: Kind = ROUTER, path: str = "") -> Iterator[Problem]:
    """What of `value` is not of this `kind`, in its order."""
    match kind:
        case Other():
            pass
        case Text() if isinstance(value, str):
            pass
        case Whole(low, high) if isinstance(value, int) and not isinstance(value, bool):
            if not low <= value <= high:
                yield Problem(path, f"{value} is out of range", f"take {low} to {high}")
        case Texts() | Tables() if isinstance(value, Sequence) and not isinstance(value, str):
            each = Text() if isinstance(kind, Texts) else kind.each
            for number, item in enumerate(value):
                yield from problems(item, each, f"{path}[{number}]")
        case Table(keys) if isinstance(value, Mapping):
            yield from _keys(value, keys, path)
        case _:
            yield Problem(path or "router", f"is {_shown(value)}", f"it has to be {kind.name}")


# Keys that Crossbar's own links have, and why there are none here.
CALLS = "links carry events and never calls, which would go round for ever: take it out"
NEVER = {"rlinks": "write links", "forward_local_invocations": CALLS, "forward_remote_invocations": CALLS}


def _keys(value: Mapping[Any, Any], keys: Mapping[str, Kind], path: str) -> Iterator[Problem]:
    for key, item in value.items():
        place = f"{path}.{key}" if path else str(key)
        if key in keys:
            yield from problems(item, keys[key], place)
        else:
            if key in NEVER:
                yield Problem(place, "unknown key", NEVER[key])
                continue
            near = difflib.get_close_matches(str(key), keys, 1)
            yield Problem(place, "unknown key", f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}")
    for key, kind in keys.items():
        if kind.required and key not in value:
            yield Problem(path or "router", f"has no {key}", f"give it one: {kind.name}")


def _shown(value: Any) -> str:
    """The value's type, not the value: it may be a secret in the wrong place."""
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", type(None): "empty"}
    return names.get(type(value), "a list" if isinstance(value, Sequence) else "a mapping")
