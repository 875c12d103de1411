"""A service's configuration: `config.ini`, lines of ``key = value`` without a section.

`ionman.keys` has the schema, which `docs/runtime.md` lists. Everything that is wrong is reported at once, each with
its line, as one `ConfigurationError`. Paths in the file are relative to the folder that the file is in.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionman.errors import ConfigurationError
from ionman.keys import KEYS, SERVICE, Router, Wrong

__all__ = ["KEYS", "OWN", "Router", "Settings", "Wrong", "parse", "read", "service_name"]

DEFAULT_CA = Path("/etc/ionman/ca.pem")
OWN = re.compile(r"app_[a-z0-9_]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
KEY_HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Settings:
    """A checked configuration. `password` and `key` are never shown; times are in seconds."""

    path: Path
    service: str
    realm: str
    user: str
    routers: tuple[Router, ...]
    title: str
    logfile: Path
    password: str = field(repr=False, default="")
    key: str = field(repr=False, default="")
    ca: Path | None = None
    tls: bool = True
    debug: bool = False
    schedule: str = "roundrobin"
    drain_timeout: float = 30.0
    call_timeout: float = 30.0
    max_message_size: int = 1 << 20
    pidfile: Path | None = None
    control: Path | None = None
    own: Mapping[str, str] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """What a service's modules see as `self.conf`: the configuration without its secrets, and the `app_*` keys."""
        shown = ("service", "realm", "user", "title", "debug", "schedule", "drain_timeout", "call_timeout")
        return {name: getattr(self, name) for name in shown} | dict(self.own)


@dataclass
class _Draft:
    """What has been read so far: values and lines of keys, and what is wrong."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def wrong(self, what: str, line: int | None = None) -> None:
        where = f"{self.path}, line {line}" if line else f"{self.path}"
        self.problems.append(f"{where}: {what}")


def _pairs(text: str, draft: _Draft) -> Iterator[tuple[int, str, str]]:
    """Yield (line, key, value); a value is everything after the first `=`, so that it may hold `=`, `#` and `;`."""
    # Not splitlines(): it also breaks at characters that a password may have.
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        if not content or content[0] in "#;":
            continue
        if content.startswith("["):
            draft.wrong(f"{content} looks like a section; take it out, this file has none", number)
            continue
        key, equals, value = (part.strip() for part in content.partition("="))
        if not equals or not key:
            # The line is not repeated: it may be a secret that was broken over two lines.
            draft.wrong("this is not `key = value`; comments begin with #", number)
            continue
        yield number, key, value


def _take(draft: _Draft, number: int, key: str, value: str) -> None:
    if key in draft.lines:
        draft.wrong(f"{key} stands on line {draft.lines[key]} already; keep one of them", number)
        return
    draft.lines[key] = number
    if CONTROL.search(value):
        draft.wrong(f"{key} has a control character in its value; write it anew", number)
    elif OWN.fullmatch(key):
        draft.own[key] = value
    elif key not in KEYS:
        draft.wrong(f"unknown key {key!r}; the service's own keys begin with app_{_near(key)}", number)
    elif not value:
        draft.wrong(f"{key} has no value; write one, or take the line out", number)
    else:
        try:
            draft.values[key] = KEYS[key](value)
        except Wrong as error:
            draft.wrong(f"{key}: {error}", number)


def _near(key: str) -> str:
    """`, did you mean port?` for a key that is one letter or its case away from a known one."""
    small = key.lower()
    for known in KEYS:
        shorter, longer = sorted((small, known), key=len)
        dropped = {longer[:at] + longer[at + 1 :] for at in range(len(longer))}
        swapped = len(small) == len(known) and sum(a != b for a, b in zip(small, known, strict=True)) == 1
        if small == known or shorter in dropped or swapped:
            return f"; did you mean {known}?"
    return ""


def _complete(draft: _Draft) -> None:
    """What must be there, and what must not stand beside it. A key that is there with a wrong value is not missing."""
    there = draft.lines
    for key, example in (("realm", "ionman"), ("user", "the name this service logs in with")):
        if key not in there:
            draft.wrong(f"{key} is missing; add a line `{key} = {example}`")
    if "password" in there and "key" in there:
        draft.wrong(f"key stands beside password (line {there['password']}); keep one of them", there["key"])
    if "password" not in there and "key" not in there:
        draft.wrong("password is missing; add a line `password = ...`, or `key = FILE` with an Ed25519 private key")
    if "routers" in there:
        for key in ("host", "port"):
            if key in there:
                draft.wrong(f"{key} stands beside routers (line {there['routers']}); keep one of them", there[key])
    else:
        for key, example in (("host", "localhost"), ("port", "8443")):
            if key not in there:
                draft.wrong(f"{key} is missing; add a line `{key} = {example}`, or `routers = HOST:PORT, HOST:PORT`")


def _file(draft: _Draft, key: str) -> Path | None:
    return draft.path.parent / draft.values[key] if key in draft.values else None


def _key(draft: _Draft) -> str:
    """The private key that `key` names: 64 hexadecimal digits."""
    path = _file(draft, "key")
    if path is None:
        return ""
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        draft.wrong(f"key: {path} cannot be read: {_reason(error)}", draft.lines["key"])
        return ""
    if not KEY_HEX.fullmatch(text):
        draft.wrong(f"key: {path} is not an Ed25519 private key in hex (64 digits)", draft.lines["key"])
    return text


def _trust(draft: _Draft, environ: Mapping[str, str]) -> Path | None:
    """The CA file: `ca`, else IONMAN_CA, else /etc/ionman/ca.pem if it is there, else None: the system's trust."""
    configured = _file(draft, "ca")
    if configured is None and not environ.get("IONMAN_CA"):
        return DEFAULT_CA if DEFAULT_CA.is_file() else None
    path = configured or Path(environ["IONMAN_CA"])
    try:
        why = "" if b"-----BEGIN CERTIFICATE-----" in path.read_bytes() else "it holds no PEM certificate"
    except OSError as error:
        why = _reason(error)
    if why:
        name = "ca" if configured else "ca from the environment variable IONMAN_CA"
        draft.wrong(f"{name}: {path} cannot be used: {why}", draft.lines.get("ca"))
    return path


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not plain text" if isinstance(error, UnicodeDecodeError) else str(error)


def service_name(file: Path) -> str:
    """The name of a service that its configuration does not name: the stem of its file, in small letters."""
    name = re.sub(r"[^a-z0-9_-]", "_", file.stem.lower())
    return name if SERVICE.fullmatch(name) else f"s_{name}"[:63]


def parse(text: str, path: Path, default_service: str, environ: Mapping[str, str]) -> Settings:
    """Check the text of the file at `path`. Raises `ConfigurationError` with every problem, one a line."""
    draft = _Draft(path)
    for number, key, value in _pairs(text, draft):
        _take(draft, number, key, value)
    _complete(draft)
    key, trust = _key(draft), _trust(draft, environ)
    if draft.problems:
        raise ConfigurationError("\n".join(draft.problems), remedy="correct the configuration and start again")
    values = draft.values
    service = values.pop("service", default_service)
    host, port = values.pop("host", ""), values.pop("port", 0)
    logfile = path.parent / values.pop("logfile", f"{service}.log")
    kept: dict[str, Any] = {
        name: values[name] for name in values if name not in ("key", "ca", "routers", "title", "pidfile", "control")
    }
    return Settings(
        path=path,
        service=service,
        title=values.get("title", service),
        routers=values.get("routers") or (Router(host, port),),
        logfile=logfile,
        key=key,
        ca=trust,
        own=draft.own,
        pidfile=_file(draft, "pidfile"),
        control=_file(draft, "control"),
        **kept,
    )


def read(path: Path, default_service: str, environ: Mapping[str, str]) -> Settings:
    """Read and check the file at `path`; raises `ConfigurationError`."""
    try:
        text = path.read_text("utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: the configuration is not there",
            remedy="write it (docs/runtime.md lists its keys), or name another with the variable IONMAN_CONFIG",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: the configuration cannot be read: {_reason(error)}",
            remedy="make it a UTF-8 text file that the service's user may read",
        ) from error
    return parse(text, path, default_service, environ)
