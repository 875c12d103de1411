"""`python -m ionman.runtime.declare FILE`: what a service offers, without its configuration and without a router.

Prints ``{"procedures": [uris], "topics": [uris]}``; a package of the application carries it, and the router's roles
allow just that. Ends with status 78 and a message for a service that could not start.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from ionman.errors import InputError, IonmanError
from ionman.runtime import load


def declared(file: Path) -> dict[str, list[str]]:
    """Return the URIs that the service `file` registers and subscribes to, sorted; raises `ConfigurationError`."""
    found = load.application(file).catalogue()
    return {
        "procedures": sorted(item.uri for item in found.procedures),
        "topics": sorted(item.uri for item in found.topics),
    }


def main(arguments: Sequence[str]) -> int:
    """Print the declaration and return the exit status."""
    try:
        if len(arguments) != 1:
            raise InputError("name one file", remedy="python -m ionman.runtime.declare FILE")
        answer = json.dumps(declared(Path(arguments[0])))
    except IonmanError as error:
        sys.stderr.write(f"declare: {error}\n")
        return error.status
    sys.stdout.write(f"{answer}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
