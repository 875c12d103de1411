"""The keys of `config.ini`, and how the value of each is read."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

POLICIES = ("roundrobin", "random", "first", "last", "single")
# WAMP allows any string as a realm; this is what Crossbar takes (crossbar/common/checkconfig.py, check_realm_name).
REALM = re.compile(r"[A-Za-z][A-Za-z0-9_\-@.]{2,254}")
SERVICE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Router:
    """Where one router listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Wrong(ValueError):  # noqa: N818 - it says what it is
    """A value that does not fit its key: what it should be, and the remedy after a line break if there is one."""


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    if value.lower() in ("true", "yes", "on", "1"):
        return True
    if value.lower() in ("false", "no", "off", "0"):
        return False
    raise Wrong(f"{value!r} is neither True nor False")


def _port(value: str) -> int:
    return _whole(value, 1, 65535, "a port: ports are")


def _whole(value: str, least: int, most: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]+", value):
        raise Wrong(f"{value!r:.60} is not a number")
    # By its length first: Python refuses to read a number of thousands of digits.
    if len(value.lstrip("0")) > len(str(most)) or not least <= int(value) <= most:
        raise Wrong(f"{value:.60} is not {what} {least} to {most}")
    return int(value)


def _octets(value: str) -> int:
    """As a router's max_message_size: Crossbar takes up to 16 MiB."""
    return _whole(value, 1 << 17, 16 << 20, "a size in octets:")


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) or not 0 < float(value) <= 86400:
        raise Wrong(f"{value!r} is not a time in seconds (more than 0, at most 86400)")
    return float(value)


def _policy(value: str) -> str:
    if value not in POLICIES:
        raise Wrong(f"{value!r} is no policy: it is one of {', '.join(POLICIES)}")
    return value


def _matching(pattern: re.Pattern[str], what: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise Wrong(f"{value!r} is not {what}")
        return value

    return check


def _host(value: str) -> str:
    """A name (RFC 1123, 2.1) or an address; an IPv6 address stands without brackets."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if len(value) > 253 or not all(LABEL.fullmatch(label) for label in value.split(".")):
            raise Wrong(f"{value!r} is neither a host name nor an address") from None
    return value


def _routers(value: str) -> tuple[Router, ...]:
    found = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]]+)):([0-9]+)\s*", part)
        if not match:
            raise Wrong(f"{part.strip()!r} is not host:port")
        found.append(Router(_host(match[1] or match[2]), _port(match[3])))
    names = [str(router).lower() for router in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Wrong(f"{', '.join(sorted(twice))} is named twice")
    return tuple(found)


# key -> how its value is read. A key that is not here and does not begin with `app_` stops the start.
KEYS: Mapping[str, Callable[[str], Any]] = {
    "debug": _flag,
    "realm": _matching(REALM, "a realm name: a letter, then at least two letters, digits or _ - @ ."),
    "user": _text,
    "password": _text,
    "key": _text,
    "host": _host,
    "port": _port,
    "routers": _routers,
    "ca": _text,
    "tls": _flag,
    "title": _text,
    "logfile": _text,
    "service": _matching(SERVICE, "a service name: a small letter, then small letters, digits, _ or -"),
    "schedule": _policy,
    "drain_timeout": _seconds,
    "call_timeout": _seconds,
    "max_message_size": _octets,
    "pidfile": _text,
    "control": _text,
}
