"""`ionman deploy`: the whole chain on the hosts of an inventory."""

from pathlib import Path

import click

from ionman.plays.run import ALL, run

inventory_option = click.option(
    "-i",
    "--inventory",
    type=click.Path(path_type=Path, exists=True),
    help="The inventory; without it Ansible's own choice (ANSIBLE_INVENTORY, ansible.cfg).",
)
arguments_argument = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ANSIBLE-ARGUMENTS...]")


@click.command()
@inventory_option
@click.option(
    "--probe",
    is_flag=False,
    flag_value=ALL,
    metavar="[SERVICE]",
    help="Call the service (without a name: each one) all the while, and fail when a call was lost, doubled or wrong.",
)
@arguments_argument
def deploy(inventory: Path | None, probe: str | None, arguments: tuple[str, ...]) -> int:
    """Take the releases of the inventory to answered calls: playbooks/deploy.yml.

    A canary host first, then batch by batch; a failure stops it and puts the finished hosts back. What Ansible takes
    goes behind two dashes: ionman deploy -i inventory/mine -- --ask-vault-pass --check --diff
    """
    return run("deploy", inventory, arguments, probe=probe)
