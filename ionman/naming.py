"""From a method's name to a URI, which URIs are valid, and what an instance is called.

WAMP URIs: https://wamp-proto.org/wamp_latest_ietf.html#name-uris; the strict rule is used, as Crossbar can check it.
"""

import re
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ionman.errors import ConfigurationError

COMPONENT = re.compile(r"[a-z0-9_]+")
CONTRACT = ("ping", "info", "stats", "call")


def uri_of(method: str) -> str | None:
    """`app.demo.method1` for `app_demo_method1`; None for `_private`, which is the author's own affair."""
    return None if method.startswith("_") else method.replace("_", ".")


def problem(uri: str) -> str:
    """Why `uri` cannot be used, or an empty string."""
    components = uri.split(".")
    if not all(components):
        return "it has an empty part between, before or after its dots"
    for component in components:
        if not COMPONENT.fullmatch(component):
            return f"the part {component!r} has something other than small letters, digits and _"
    if components[0] in ("wamp", "ionman", "crossbar"):
        return f"the prefix {components[0]}. is reserved"
    if len(components) < 2:
        return "it has no dot"
    return ""


def claimed_twice(claims: Iterable[tuple[str, str]]) -> list[str]:
    """One message for each URI that two places claim; `claims` are (URI, place)."""
    first: dict[str, str] = {}
    problems = []
    for uri, place in claims:
        if uri in first:
            problems.append(f"{uri} is claimed by {first[uri]} and by {place}")
        first.setdefault(uri, place)
    return problems


def sanitised(text: str) -> str:
    """`text` as one part of a URI."""
    return re.sub(r"[^a-z0-9_]", "_", text.lower()) or "_"


@dataclass(frozen=True)
class Instance:
    """Who one process is: service `demo`, generation `ab12cd34`, number `1`, on a host."""

    service: str
    generation: str
    number: str
    host: str

    @property
    def name(self) -> str:
        """As programs are called: `demo.ab12cd34.1`."""
        return f"{self.service}.{self.generation}.{self.number}"

    def uri(self, procedure: str) -> str:
        """The URI of one of the procedures of the service contract that are this instance's own."""
        parts = (self.service, self.host, self.generation, self.number, procedure)
        return ".".join(("ionman", "service", *(sanitised(part) for part in parts)))

    def contract(self) -> dict[str, str]:
        """Procedure -> URI of the service contract."""
        return {procedure: self.uri(procedure) for procedure in CONTRACT}

    @property
    def probe(self) -> str:
        """The URI of the numbered probe, which all instances of the service share."""
        return probe(self.service)


def probe(service: str) -> str:
    """The URI of the numbered probe that every instance of `service` answers in its turn."""
    return f"ionman.service.{sanitised(service)}.probe"


def instance(service: str, environ: Mapping[str, str]) -> Instance:
    """Who this process is: IONMAN_INSTANCE says so on a host; started by hand it is `local` and a number by chance."""
    named = environ.get("IONMAN_INSTANCE", "")
    host = socket.gethostname()
    if not named:
        return Instance(service, "local", secrets.token_hex(3), host)
    parts = named.split(".")
    if len(parts) != 3 or not all(parts):
        raise ConfigurationError(
            f"IONMAN_INSTANCE is {named!r}, which is not SERVICE.GENERATION.NUMBER", remedy="set it so, or unset it"
        )
    return Instance(service, parts[1], parts[2], host)
