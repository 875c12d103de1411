"""`ionman new NAME [DIR]`: begin a service of one's own."""

from pathlib import Path

import click

from ionman import new as scaffold


@click.command()
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def new(name: str, folder: Path | None) -> None:
    """Begin a microservice NAME in DIR (default: a folder of that name), with a module, a test and a configuration."""
    place = folder or Path(name)
    written = scaffold.write(name, place.absolute())
    for path in written:
        print(f"  {place / path}")
    if "requirements.lock" not in written:
        print("requirements.in says how to make requirements.lock, which a package is built from")
    stem = name.replace("-", "_")
    print(f"next: cd {place} && python3 -m pytest, set the router in config.ini, then ./{stem}.py")
