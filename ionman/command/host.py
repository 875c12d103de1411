"""`ionman host`: make this machine run what it should, and say what it runs."""

import json
import os
import sys
from pathlib import Path

import click

from ionman.errors import NotPossible
from ionman.hosts import converge
from ionman.hosts import status as report
from ionman.hosts.layout import Layout
from ionman.hosts.state import read

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Another root than /, for the single-machine form: programs then run as the calling user.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
_wait = click.option("--wait", type=float, default=600.0, show_default=True, help="Seconds to wait for another apply.")


@click.group()
def host() -> None:
    """Make this machine run what it should, and say what it runs."""


@host.command(name="apply")
@click.option("--check", is_flag=True, help="Only say what would be done.")
@_wait
@_json
@_root
def apply_(check: bool, wait: float, as_json: bool, root: Path) -> None:
    """Read the desired state (JSON) on standard input and make it so."""
    layout = _layout(root)
    outcome = converge.converge(read(sys.stdin.read()), layout, check=check, wait=wait, say=_say(as_json))
    _tell(outcome, check, as_json, [] if check else report.rows(layout))


@host.command()
@_json
@_root
def status(as_json: bool, root: Path) -> None:
    """Say what runs here, which version and generation, and whether it is ready."""
    rows = report.rows(_layout(root))
    print(json.dumps(rows) if as_json else "\n".join(report.table(rows)))


@host.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--check", is_flag=True, help="Only say what would be done.")
@_wait
@_json
@_root
def remove(names: tuple[str, ...], check: bool, wait: float, as_json: bool, root: Path) -> None:
    """Drain and remove services (or `router`) by name; the others are left alone."""
    layout = _layout(root)
    outcome = converge.remove(names, layout, check=check, wait=wait, say=_say(as_json))
    _tell(outcome, check, as_json, [] if check else report.rows(layout))


def _tell(outcome: converge.Outcome, check: bool, as_json: bool, running: list[report.Row]) -> None:
    if as_json:
        print(json.dumps(outcome.document() | {"running": running}))
        return
    if running:
        print("\n".join(report.table(running)))
    print("nothing to do" if not outcome.changed else "nothing was changed: only a check" if check else "done")


def _layout(root: Path) -> Layout:
    """The layout below `root`; `/` needs root's rights."""
    if root == Path("/") and os.geteuid() != 0:
        raise NotPossible("a host is converged by root", remedy="use sudo, or --root DIR for a folder of your own")
    return Layout(root.absolute())


def _say(as_json: bool) -> converge.Say:
    """Where the lines of progress go: out, or past a reader of JSON."""

    def say(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    return say
