"""Finds a service's modules, loads each by its place, and collects the methods that become procedures and topics.

Modules are loaded under names of their own, so that one called `get` or `demo` meets nothing else on the path.
"""

import ast
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ionman import naming
from ionman.errors import ConfigurationError
from ionman.runtime.classes import PROCEDURE, TOPIC, Link, RegistrationsClass, SubscriptionsClass

BASES: Mapping[str, type] = {"Registrations": RegistrationsClass, "Subscriptions": SubscriptionsClass}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Found:
    """One method: its URI, its class, its name and its place (`modules/demo.py, line 9: Registrations.app_x`)."""

    uri: str
    owner: type
    method: str
    place: str


@dataclass(frozen=True)
class Catalogue:
    """What a service declares, in the order of its modules; `owners` are its classes and the files they stand in."""

    owners: tuple[tuple[type, Path], ...]
    procedures: tuple[Found, ...]
    topics: tuple[Found, ...]


@dataclass(frozen=True)
class Bound:
    """A method of an instance of its class, ready to be called with (argv or data, details)."""

    uri: str
    method: Any
    place: str


def catalogue(file: Path, own: Mapping[str, Any], names: Sequence[str]) -> Catalogue:
    """Load the modules `names` of the service `file`, whose own globals are `own`.

    Raises `ConfigurationError` for a module that is missing, fails or defines neither class, for an invalid URI and for
    one that is claimed twice.
    """
    _extend_path(file.parent)
    owners: list[tuple[type, Path]] = []
    procedures: list[Found] = []
    topics: list[Found] = []
    twice: list[str] = []
    for name in _checked(file, names):
        source = _source(file, name)
        members = own if source == file else vars(_load(source, file, name))
        classes = _classes(source, file, members)
        owners.extend((owner, source) for owner in classes.values())
        procedures.extend(_methods(source, file, classes.get("Registrations"), PROCEDURE))
        topics.extend(_methods(source, file, classes.get("Subscriptions"), TOPIC))
        twice.extend(_written_twice(source, file))
    problems = twice + _uris(procedures) + _uris(topics)
    if problems:
        raise ConfigurationError(
            "\n".join(problems),
            remedy="a URI is small letters, digits and _ between dots; rename the method, "
            'or name it with @procedure("app.some.name") or @topic("app.some.name"); begin a helper\'s name with _',
        )
    return Catalogue(tuple(owners), tuple(procedures), tuple(topics))


def bind(found: Catalogue, conf: Mapping[str, Any], link: Link) -> tuple[list[Bound], list[Bound]]:
    """Make each class once and return its procedures and topics. Raises `ConfigurationError` for one that fails."""
    made = {owner: _instance(owner, source, conf, link) for owner, source in found.owners}

    def bound(items: Sequence[Found]) -> list[Bound]:
        return [Bound(item.uri, getattr(made[item.owner], item.method), item.place) for item in items]

    return bound(found.procedures), bound(found.topics)


def _instance(owner: type, source: Path, conf: Mapping[str, Any], link: Link) -> Any:
    try:
        return owner(conf, link)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{source}: {owner.__name__} cannot be made: {cause(error, source)}",
            remedy="its __init__ takes (conf, extra) and passes both to the base class",
        ) from error


def _checked(file: Path, names: Sequence[str]) -> Sequence[str]:
    wrong = (
        not isinstance(names, list | tuple)
        or not names
        or not all(isinstance(name, str) and NAME.fullmatch(name) for name in names)
        or len(set(names)) != len(names)
    )
    if wrong:
        raise ConfigurationError(
            f"{file}: Modules is {names!r}, not a list of different module names",
            remedy="write Modules = ['rpc', 'get'] in the class, for modules/rpc.py and modules/get.py",
        )
    return names


def _source(file: Path, name: str) -> Path:
    candidates = (file.parent / "modules" / f"{name}.py", file.parent / f"{name}.py")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ConfigurationError(
        f"{file}: module {name!r} is not there; looked for {candidates[0]} and {candidates[1]}",
        remedy="write it, or take its name out of Modules",
    )


def _load(source: Path, file: Path, name: str) -> ModuleType:
    private = f"_ionman_{naming.sanitised(file.stem)}_{name}_{abs(hash(str(source))):x}"
    spec = importlib.util.spec_from_file_location(private, source)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{source}: Python has no loader for it", remedy="its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[private] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[private]
        raise ConfigurationError(
            f"{source} fails to import: {cause(error, source)}", remedy="correct it; `python3 FILE` shows all of it"
        ) from error
    return module


def cause(error: BaseException, source: Path) -> str:
    """`line 3: NameError: name 'x' is not defined`, with the last line of `source` that was involved."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == source]
    number = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{f'line {number}: ' if number else ''}{type(error).__name__}: {text}"


def _classes(source: Path, file: Path, members: Mapping[str, Any]) -> dict[str, type]:
    """The module's Registrations and Subscriptions, of which it must have one."""
    classes = {}
    for name, base in BASES.items():
        found = members.get(name)
        if found is None:
            continue
        if not isinstance(found, type) or not issubclass(found, base):
            raise ConfigurationError(
                f"{source}: {name} is not a subclass of {name}Class",
                remedy=f"write class {name}({name}Class), with {name}Class imported from IonmanClass",
            )
        classes[name] = found
    if not classes:
        raise ConfigurationError(
            f"{source} defines neither Registrations nor Subscriptions"
            + (", and no other file of that name is there" if source == file else ""),
            remedy="write one of the classes, or take the module's name out of Modules",
        )
    return classes


def _methods(source: Path, file: Path, owner: type | None, mark: str) -> Iterator[Found]:
    """The class's own public methods; what it inherits or overrides from the base classes is no procedure."""
    if owner is None:
        return
    shown = _shown(source, file)
    inherited = {name for base in owner.__mro__[1:] for name in vars(base)}
    for name, member in vars(owner).items():
        function = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        given = getattr(function, mark, None)
        uri = given if isinstance(given, str) else naming.uri_of(name)
        if uri is None or not inspect.isfunction(function) or (given is None and name in inherited):
            continue
        place = f"{shown}, line {function.__code__.co_firstlineno}: {owner.__name__}.{name}"
        yield Found(uri, owner, name, place)


def _written_twice(source: Path, file: Path) -> list[str]:
    """One message for each procedure or topic that a class defines twice: Python keeps the last and says nothing."""
    problems = []
    for owner in ast.walk(ast.parse(source.read_bytes())):
        if not isinstance(owner, ast.ClassDef) or owner.name not in BASES:
            continue
        first: dict[str, int] = {}
        for method in owner.body:
            if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) or method.decorator_list:
                continue
            uri = naming.uri_of(method.name)
            if uri and method.name in first:
                places = (f"{_shown(source, file)}, line {at}" for at in (first[method.name], method.lineno))
                problems.append(f"{uri} is claimed by {owner.name}.{method.name} twice: {', and '.join(places)}")
            first.setdefault(method.name, method.lineno)
    return problems


def assigned(file: Path, name: str) -> bool:
    """Whether anything in `file` assigns to `name`."""
    nodes = ast.walk(ast.parse(file.read_bytes()))
    return any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in nodes)


def _shown(source: Path, file: Path) -> Path:
    return source.relative_to(file.parent) if source.is_relative_to(file.parent) else source


def _uris(found: Sequence[Found]) -> list[str]:
    invalid = [f"{item.place} gives the URI {item.uri!r}: {why}" for item in found if (why := naming.problem(item.uri))]
    return invalid + naming.claimed_twice((item.uri, item.place) for item in found)


def _extend_path(folder: Path) -> None:
    """Let modules import files that lie beside them; at the end of the path, where they can hide nothing."""
    for place in (str(folder), str(folder / "modules")):
        if place not in sys.path:
            sys.path.append(place)
