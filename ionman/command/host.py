"""`ionman host`: make this machine run what it should, and say what it runs."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ionman import record
from ionman.certificates import renewal
from ionman.errors import NotPossible
from ionman.hosts import converge, linked
from ionman.hosts import record as kept
from ionman.hosts import rollback as back
from ionman.hosts import status as report
from ionman.hosts.layout import Layout
from ionman.hosts.outcome import NOBODY, Asked, Outcome
from ionman.hosts.state import Deploy, read

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/"),
    help="Another root than /, for the single-machine form: programs then run as the calling user.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
_check = click.option("--check", is_flag=True, help="Only say what would be done.")
_wait = click.option("--wait", type=float, default=600.0, show_default=True, help="Seconds to wait for another apply.")


@dataclass(frozen=True)
class _Run:
    """How something is to be done, and how it is told."""

    layout: Layout
    check: bool
    wait: float
    as_json: bool

    def asked(self, deploy: Deploy = NOBODY, *, allow_gap: bool = False) -> Asked:
        """As those take it that do it."""
        return Asked(_say(self.as_json), self.check, self.wait, deploy, allow_gap)

    def tell(self, outcome: Outcome) -> None:
        """Print what was done, and what runs now."""
        running = [] if self.check else report.rows(self.layout)
        if self.as_json:
            print(json.dumps(outcome.document() | {"running": running}))
            return
        if running:
            print("\n".join(report.table(running)))
        print("nothing to do" if not outcome.changed else "nothing was changed: only a check" if self.check else "done")


def _doing(function: Callable[..., None]) -> Callable[..., None]:
    """The options of everything that changes a host; `function` gets them as `run`."""

    @wraps(function)
    def command(check: bool, wait: float, as_json: bool, root: Path, **own: Any) -> None:
        function(run=_Run(layout_of(root), check, wait, as_json), **own)

    return _check(_wait(_json(_root(command))))


def _for_the_record(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say who does it, and what for; `function` gets them as `deploy`."""

    @click.option("--deploy", default="", help="Which deploy it belongs to, for the record.")
    @click.option("--who", default="", help="Who asked for it, for the record.")
    @click.option("--what", default="", help="What it is to the record instead of its own name.")
    @wraps(function)
    def command(deploy: str, who: str, what: str, **own: Any) -> None:
        function(deploy=Deploy(deploy, who, what), **own)

    return command


@click.group()
def host() -> None:
    """Make this machine run what it should, and say what it runs."""


@host.command(name="apply")
@_doing
def apply_(run: _Run) -> None:
    """Read the desired state (JSON) on standard input and make it so."""
    state = read(sys.stdin.read())
    run.tell(converge.converge(state, run.layout, check=run.check, wait=run.wait, say=_say(run.as_json)))


@host.command()
@_json
@_root
def status(as_json: bool, root: Path) -> None:
    """Say what runs here, which version and generation, whether it is ready, and what has to be looked at soon."""
    layout = layout_of(root)
    rows = report.rows(layout)
    warned = [f"ALARM: {line}" for line in renewal.alarming(renewal.Place(layout.root))]
    print(json.dumps(rows) if as_json else "\n".join([*report.table(rows), *warned]))


@host.command()
@_json
@_root
def alarms(as_json: bool, root: Path) -> None:
    """Say what has to be looked at soon: certificates that end, or that could not be renewed."""
    found = renewal.alarming(renewal.Place(layout_of(root).root))
    print(json.dumps(found) if as_json else "\n".join(found or ["nothing has to be looked at"]))


@host.command()
@click.option("--wait", "seconds", type=float, default=0.0, show_default=True, help="Seconds to wait until all are up.")
@_json
@_root
def links(seconds: float, as_json: bool, root: Path) -> None:
    """Say how the links of this host's router are, which carry events to the others; status 75 for one that is down."""
    found = linked.settled(layout_of(root), seconds)
    print(json.dumps(found) if as_json else "\n".join(linked.lines(found) or ["this router has no links"]))


@host.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--allow-gap", is_flag=True, help="Even if nobody answers any more then.")
@_for_the_record
@_doing
def remove(names: tuple[str, ...], allow_gap: bool, deploy: Deploy, run: _Run) -> None:
    """Drain and remove services (or `router`) by name; the others are left alone.

    A router is removed when every instance that is registered there also serves on another one, or with --allow-gap;
    callers and services are asked to leave it first.
    """
    run.tell(converge.remove(names, run.layout, run.asked(deploy, allow_gap=allow_gap)))


@host.command()
@click.argument("service")
@click.option(
    "--to", default="", metavar="GENERATION", help="To this one instead of the one that was good here before."
)
@click.option("--lent", is_flag=True, help="Read on standard input (JSON) what another host has applied it with.")
@click.option("--no-blame", is_flag=True, help="What is left is not marked as failed: it was not at fault.")
@_for_the_record
@_doing
def rollback(  # noqa: PLR0913, PLR0917 - click hands over each option
    service: str, to: str, lent: bool, no_blame: bool, deploy: Deploy, run: _Run
) -> None:
    """Go back to the last generation of SERVICE that was good; the one that is left is marked as failed."""
    entry = back.entry(sys.stdin.read()) if lent else None
    way = back.Way(to, entry, blame=not no_blame)
    run.tell(back.rollback(service, run.layout, run.asked(deploy), way))


@host.command()
@click.argument("service", default="")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@_json
@_root
def history(service: str, last: int, as_json: bool, root: Path) -> None:
    """Say what was deployed here: who, what, from, to, when, with which result."""
    rows = kept.history(layout_of(root), service)[-last:]
    print(json.dumps(rows) if as_json else "\n".join(record.table(rows)))


def layout_of(root: Path) -> Layout:
    """The layout below `root`; `/` needs root's rights."""
    if root == Path("/") and os.geteuid() != 0:
        raise NotPossible("a host is converged by root", remedy="use sudo, or --root DIR for a folder of your own")
    return Layout(root.absolute())


def _say(as_json: bool) -> converge.Say:
    """Where the lines of progress go: out, or past a reader of JSON."""

    def say(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    return say
