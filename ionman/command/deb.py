"""`ionman deb`: packages of releases, and of our own tools."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ionman.command.progress import tell
from ionman.command.release import github_options
from ionman.debs.dist import Outcome, State, Wish, apply, read
from ionman.debs.recipe import TOOLS
from ionman.errors import ConfigurationError
from ionman.release import repository_name
from ionman.releases.origin import read_token

_output = click.option("--output", type=click.Path(path_type=Path), default=Path("build/dist"), show_default=True)
_json = click.option("--json", "as_json", is_flag=True, help="print JSON")
_check = click.option("--check", is_flag=True, help="only say what would be built")


@click.group()
def deb() -> None:
    """Packages: of a release, with its own environment, and of ionman and Crossbar themselves."""


@deb.command()
@click.argument("repository")
@click.argument("tag")
@click.option("--digest", help="the digest its file must have: sha256:<64 hex digits>")
@click.option("--asset", help="the file to take: a name, a glob, or `source`")
@click.option("--app", default="", help="the application's name; without it that of the repository")
@_output
@_check
@_json
@github_options
def build(  # noqa: PLR0913, PLR0917 - click hands over each option
    repository: str,
    tag: str,
    digest: str | None,
    asset: str | None,
    app: str,
    output: Path,
    check: bool,
    as_json: bool,
    url: str,
    token_file: Path | None,
) -> None:
    """Build the package of release TAG of REPOSITORY (owner/name)."""
    wish = Wish(repository_name(repository), tag, digest, asset, read_token(token_file), app)
    _say(apply(State(output.resolve(), url, releases=(wish,)), tell, check=check), as_json)


@deb.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice(TOOLS), metavar="NAME...")
@_output
@_check
@_json
def tool(names: tuple[str, ...], output: Path, check: bool, as_json: bool) -> None:
    """Build the packages of our own tools: ionman, crossbar."""
    _say(apply(State(output.resolve(), tools=names), tell, check=check), as_json)


@deb.command(name="apply")
@_check
@_json
def apply_(check: bool, as_json: bool) -> None:
    """Read on standard input which packages are wanted (JSON, as roles/deb sends it) and build what is missing."""
    try:
        state = read(json.load(sys.stdin))
    except ValueError as error:
        raise ConfigurationError(f"standard input is no JSON: {error}", remedy="see docs/deb.md") from error
    _say(apply(state, tell, check=check), as_json)


def _say(outcomes: list[Outcome], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"packages": [asdict(outcome) for outcome in outcomes]}))
        return
    for one in outcomes:
        if one.path is None:
            click.echo(f"{one.package} {one.version}  would be built")
        else:
            click.echo(f"{one.path}  {one.digest}  {'built' if one.changed else 'already built'}")
