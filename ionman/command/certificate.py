"""`ionman certificate`: renew what this host renews by itself; change the authority of a fleet, step by step."""

import os
from pathlib import Path

import click

from ionman.certificates import renewal
from ionman.errors import NotPossible


@click.group()
def certificate() -> None:
    """Renew certificates, and change the authority that signs them."""


@certificate.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Another root than /, for the single-machine form.",
)
def renew(names: tuple[str, ...], root: Path) -> None:
    """Renew what is due of the certificates that this host gets by ACME; the timer runs this twice a day."""
    if root == Path("/") and os.geteuid() != 0:
        raise NotPossible("the certificates of a host are root's", remedy="use sudo, or --root DIR")
    place = renewal.Place(root.absolute())
    renewal.renew(place, list(names) or place.names(), lambda line: print(line, flush=True))
