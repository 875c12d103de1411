"""`ionman lock`: who deploys now."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from ionman.calls.defaults import Defaults, read, secret_file
from ionman.errors import Unavailable
from ionman.locks import holder, looking


@click.group(name="lock")
def lock() -> None:
    """One deploy at a time in a realm: who holds the lock."""


@lock.command()
@click.option("-i", "inventory", type=click.Path(path_type=Path), help="Take all of it from this inventory.")
@click.option("--router", "routers", multiple=True, metavar="HOST:PORT", help="Ask this router; give it for each one.")
@click.option("--realm", metavar="NAME", help="The realm  [default: ionman].")
@click.option("--user", metavar="NAME", help="Who asks: an account with the role ops  [default: ops].")
@click.option("--password-file", type=click.Path(path_type=Path), metavar="FILE", help="A file with the password.")
@click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="The authorities to trust, PEM.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The file with the defaults.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def show(
    inventory: Path | None, config: Path | None, password_file: Path | None, as_json: bool, **options: Any
) -> None:
    """Say who holds the lock on each router, since when and for what.

    Where and whom to trust come from an inventory (-i), or are said as for `ionman call`; the password then comes from
    --password-file, from IONMAN_PASSWORD, or from the file that --config names.
    """
    base = looking.access(inventory) if inventory else read(config) if config else Defaults(user="ops")
    password = secret_file(password_file) if password_file else os.environ.get("IONMAN_PASSWORD", "")
    found = looking.look(base.override({**options, "password": password}))
    print(json.dumps(found) if as_json else "\n".join(map(looking.words, found)))
    if all(row["state"] == "unknown" for row in found):
        raise Unavailable("no router could be asked", remedy="look at the routers, at the user and at its role")


@lock.command(hidden=True)
def hold() -> None:
    """Hold the lock for a run of ansible-playbook, which starts this: see ionman/locks/holder.py."""
    holder.serve(sys.stdin.readline())
