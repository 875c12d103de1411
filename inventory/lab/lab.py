#!/usr/bin/env python3
"""Ansible inventory of the lab that IONMAN_LAB names (demo unless set): `ionman lab up` makes it."""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Print the inventory as Ansible asks for it (--list, or --host NAME)."""
    import json  # noqa: PLC0415 - with what follows, only once the right interpreter runs

    from ionman.errors import IonmanError  # noqa: PLC0415
    from ionman.lab import inventory, place, requirements  # noqa: PLC0415

    try:
        requirements.demand_root()
        lab = place.load(os.environ.get("IONMAN_LAB") or place.DEFAULT_NAME)
    except IonmanError as error:
        sys.stderr.write(f"inventory/lab: {error}\n")
        return error.status
    data = inventory.inventory(lab, sys.executable)
    if arguments[:1] == ["--host"]:
        data = data["_meta"]["hostvars"].get(arguments[1], {})
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
    return 0


def interpreter() -> None:
    """Go on in the checkout's own environment when there is one: ionman and Ansible live there."""
    own = CHECKOUT / ".venv/bin/python"
    if own.exists() and Path(sys.prefix) != own.parents[1]:
        os.execv(own, [str(own), *sys.argv])  # noqa: S606, TID251 - ionman.process cannot be imported before this


if __name__ == "__main__":
    interpreter()
    sys.exit(main(sys.argv[1:]))
