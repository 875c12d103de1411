"""`ionman certificate`: renew what this host renews by itself; change the authority of a fleet, step by step."""

import fcntl
import os
from pathlib import Path

import click

from ionman.certificates import order, renewal
from ionman.certificates.store import Store
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


@certificate.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def examine(file: Path) -> None:
    """Say what is wrong with an order, the FILE of the folder /etc/ionman/acme."""
    order.read(file.read_text(), str(file))


_folder = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))


@certificate.command()
@_folder
def show(folder: Path) -> None:
    """Say which authority signs, what the leaves of the hosts have left, and what is to be done next.

    FOLDER is the inventory's certificate_dir, on the controller.
    """
    print("\n".join(Store(folder).story()))


@certificate.command()
@click.argument("step", type=click.Choice(["begin", "switch", "finish"]))
@_folder
def change(step: str, folder: Path) -> None:
    """Change the authority of FOLDER (certificate_dir) for a new one; between the steps run playbooks/certificate.yml.

    begin: a new one is trusted beside the old; switch: it signs from now on; finish: the old one is trusted no longer.
    """
    store = Store(folder)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        {"begin": store.begin, "switch": store.switch, "finish": store.finish}[step]()
    print("\n".join(store.story()))
