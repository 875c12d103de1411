"""Progress of the long commands: on standard error, so that standard output holds the result alone."""

import click


def tell(text: str) -> None:
    """Say one step."""
    click.echo(text, err=True)
