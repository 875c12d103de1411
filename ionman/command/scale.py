"""`ionman scale`: more or fewer instances of a service."""

import json
from pathlib import Path

import click

from ionman.command.deploy import arguments_argument, inventory_option
from ionman.plays.fleet import whole
from ionman.plays.run import run


@click.command()
@click.argument("wanted", metavar="SERVICE=N")
@inventory_option
@click.option(
    "--without", metavar="HOST", multiple=True, help="A host that is taken out: it runs none. May be repeated."
)
@click.option("--allow-gap", is_flag=True, help="The last instance may go; its callers then find none.")
@click.option("--probe", is_flag=True, help="Call the service all the while, and fail when a call was lost or wrong.")
@arguments_argument
def scale(  # noqa: PLR0913, PLR0917 - click hands over each option
    wanted: str,
    inventory: Path | None,
    without: tuple[str, ...],
    allow_gap: bool,
    probe: bool,
    arguments: tuple[str, ...],
) -> int:
    """Have N instances of SERVICE over all hosts, spread evenly: playbooks/scale.yml.

    Hosts that get more have their turn before hosts that get fewer. Nothing else that runs is changed. The inventory is
    the truth of the next deploy: write the number there too.
    """
    service, equals, number = wanted.partition("=")
    if not (service and equals):
        raise click.UsageError(f"{wanted!r} is no SERVICE=N: write for example demo=6")
    variables: dict[str, object] = {"service": service, "total": whole(number, wanted)}
    if without:
        variables["service_out"] = list(without)
    if allow_gap:
        variables["service_allow_gap"] = True
    extra = ["-e", json.dumps(variables)]
    return run("scale", inventory, [*extra, *arguments], probe=service if probe else None)
