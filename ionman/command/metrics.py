"""`ionman metrics`: the figures of this host, and whether it is well."""

import contextlib
import json
import sys
from pathlib import Path

import click

from ionman.command.host import layout_of
from ionman.errors import Unavailable
from ionman.hosts.endpoint import LOOPBACK, PORT
from ionman.metering import serve as endpoint
from ionman.metering.gather import Gathering
from ionman.metrics import answer, exposition, lines

_root = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), help="Another root than /."
)


@click.group(invoke_without_command=True)
@_root
@click.pass_context
def metrics(context: click.Context, root: Path) -> None:
    """Print the figures of this host as Prometheus reads them (docs/metrics.md)."""
    if context.invoked_subcommand is None:
        with contextlib.closing(Gathering(layout_of(root))) as gathering:
            print(exposition(gathering.snapshot()).decode(), end="")


@metrics.command()
@click.option("--address", default=LOOPBACK, show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True)
@click.option("--user", default="", help="The account of what talks to the network  [default: this one].")
@_root
def serve(address: str, port: int, user: str, root: Path) -> None:
    """Answer /metrics and /health until told to end: what the program `ionman-metrics` of a host does."""
    sys.exit(endpoint.serve(layout_of(root), endpoint.Where(address, port, user), lambda line: print(line, flush=True)))


@metrics.command()
@click.option("--words", is_flag=True, help="Answer in words instead of JSON.")
@_root
def health(words: bool, root: Path) -> None:
    """Call through the router to every service, and say what answered; exit status 69 when something did not."""
    with contextlib.closing(Gathering(layout_of(root))) as gathering:
        checks = gathering.snapshot().checks
    found = answer(checks)
    print("\n".join(lines(checks)) if words else json.dumps(found))
    if found["status"] != "OK":
        raise Unavailable("this host is not well", remedy="the checks that are not ok say why")
