"""`ionman release`: look at a release, fetch its file, publish one of one's own to the lab."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ionman.command.progress import tell
from ionman.release import Release, repository_name
from ionman.releases.github import PUBLIC, GitHub, file_digest
from ionman.releases.origin import read_token


@click.group()
def release() -> None:
    """Releases on GitHub: what there is, the bytes that are trusted, one of your own."""


def github_options(command: Any) -> Any:
    """Adds the options that every command needs that asks a GitHub API."""
    for option in (
        click.option("--token-file", type=click.Path(path_type=Path), help="file with a token; else GITHUB_TOKEN"),
        click.option("--github", "url", default=PUBLIC, envvar="IONMAN_GITHUB", show_default=True, help="the API"),
    ):
        command = option(command)
    return command


@release.command()
@click.argument("repository")
@click.argument("tag")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@github_options
def show(repository: str, tag: str, url: str, token_file: Path | None, as_json: bool) -> None:
    """Show the files of release TAG of REPOSITORY (owner/name)."""
    found = GitHub(url, token=read_token(token_file), progress=tell).release(repository_name(repository), tag)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Release) -> list[str]:
    assets = [f"  {one.name}  {one.size} bytes  {one.digest or 'no digest from the API'}" for one in found.assets]
    return [f"{found.repository} {found.tag}  {found.page}", *assets, f"  source  {found.tarball}"]


@release.command()
@click.argument("repository")
@click.argument("tag")
@click.option("--digest", help="the digest it must have: sha256:<64 hex digits>")
@click.option("--asset", help="the file to take: a name, a glob, or `source`")
@click.option("--output", type=click.Path(path_type=Path), help="a folder to copy the file to")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@github_options
def fetch(  # noqa: PLR0913, PLR0917 - click hands over each option
    repository: str,
    tag: str,
    digest: str | None,
    asset: str | None,
    output: Path | None,
    url: str,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Fetch and verify a file of release TAG of REPOSITORY; print where it is, its digest, and who vouches for it."""
    api = GitHub(url, token=read_token(token_file), progress=tell)
    got = api.fetch(api.look(repository_name(repository), tag, asset=asset, pin=digest))
    path = got.path
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        path = Path(shutil.copy(got.path, output / got.name))
    facts = {"path": str(path), "digest": got.trust.digest, "by": got.trust.by, "fresh": got.fresh}
    click.echo(json.dumps(facts) if as_json else f"{path}  {got.trust.digest}  ({got.trust.by})")


@release.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("tag")
@click.option("--repository", help="owner/name; without it ionman/<name of the folder>")
@click.option("--lab", "name", envvar="IONMAN_LAB", default="demo", show_default=True, help="the lab to publish to")
@click.option("--replace", is_flag=True, help="put other bytes under a tag that exists")
def publish(path: Path, tag: str, repository: str | None, name: str, replace: bool) -> None:
    """Publish the folder PATH as release TAG on the lab's release endpoint, as one would on GitHub."""
    from ionman.lab import releases  # noqa: PLC0415 - the host's command has no lab

    target = repository_name(repository or f"ionman/{path.resolve().name}")
    place = releases.publish(path, releases.folder(name), target, tag, replace=replace)
    found = [file for file in sorted((place / "assets").iterdir()) if file.name != "SHA256SUMS"]
    click.echo(f"{target} {tag}  {found[0].name}  {file_digest(found[0])}")
