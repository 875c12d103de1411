"""`ionman demo`: the whole chain on lab hosts, or on loopback where those are impossible."""

import os

import click

from ionman.demo.fleet import Fleet
from ionman.demo.local import Local, home
from ionman.demo.report import tell
from ionman.lab import place, possible


@click.command()
@click.option("--local", is_flag=True, help="The single-machine form, also where lab hosts are possible.")
@click.option("--down", is_flag=True, help="Take down what the demo made.")
def demo(local: bool, down: bool) -> int:
    """Take the example application from a release to an answered call, and show what was made.

    Run it again: it changes nothing, or finishes what was interrupted.
    """
    why_not = "" if local else possible()
    if why_not:
        tell(f"lab hosts are impossible here ({why_not}); doing the single-machine form on loopback instead")
    form: Fleet | Local = Local(home(), tell) if local or why_not else Fleet(_lab(), tell)
    if down:
        print("the demo is gone" if form.down() else "there is no demo: nothing to do")
        return 0
    report = form.up()
    print(report.text())
    return 1 if report.failed else 0


def _lab() -> str:
    return place.check_name(os.environ.get("IONMAN_LAB") or place.DEFAULT_NAME)
