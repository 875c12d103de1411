"""The files that a router's description names, looked at where they lie: on the router's host."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ionman import certificate
from ionman.routers.schema import Problem


def look(router: Mapping[str, Any], ca: Path | None = None) -> list[Problem]:
    """What is wrong with the TLS files and the page of a description that `check` accepts.

    With `ca` (PEM) also whether the certificate leads to it. Crossbar itself finds these only when it starts.
    """
    places = {"certificate": router["certificate"], "key": router["key"]}
    places |= {f"chain[{number}]": path for number, path in enumerate(router.get("chain") or ())}
    found: dict[str, bytes] = {}
    problems = []
    for place, path in places.items():
        try:
            found[place] = Path(path).read_bytes()
        except OSError as error:
            problems.append(Problem(place, f"{path} cannot be read: {error.strerror}", "look at its name and its mode"))
    if "page" in router and not Path(router["page"], "index.html").is_file():
        problems.append(Problem("page", f"there is no index.html in {router['page']}", "name the page's directory"))
    if problems:
        return problems
    chain = [data for place, data in found.items() if place.startswith("chain")]
    roots = ca.read_bytes() if ca else None
    faults = certificate.verify(found["certificate"], found["key"], chain=chain, ca=roots)
    return [Problem("certificate", fault) for fault in faults]
