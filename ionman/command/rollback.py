"""`ionman rollback`: a service back to the generation that was good before."""

import json
from pathlib import Path

import click

from ionman.command.deploy import arguments_argument, inventory_option
from ionman.plays.run import run


@click.command()
@click.argument("service")
@inventory_option
@click.option("--probe", is_flag=True, help="Call the service all the while, and fail when a call was lost or wrong.")
@arguments_argument
def rollback(service: str, inventory: Path | None, probe: bool, arguments: tuple[str, ...]) -> int:
    """Bring SERVICE back to its last good generation on every host: playbooks/rollback.yml.

    The hosts know which one that was and still have it, so it takes seconds and no repository. What was left is marked
    as failed and not deployed again by accident. The inventory is the truth of the next deploy: write it there too.
    """
    extra = ["-e", json.dumps({"service": service})]
    return run("rollback", inventory, [*extra, *arguments], probe=service if probe else None)
