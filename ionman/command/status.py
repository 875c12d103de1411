"""`ionman status`: how all hosts of an inventory are, or this one."""

import contextlib
import dataclasses
import json
import os
import tempfile
from pathlib import Path

import click

from ionman import process
from ionman.certificates import renewal
from ionman.command.host import layout_of
from ionman.errors import CommandFailed, Unavailable
from ionman.hosts import status as report
from ionman.metering.gather import Gathering
from ionman.metrics import answer
from ionman.plays import playbook
from ionman.status import Fleet, Said, fleet, lines

ASKING = 600.0  # s for all hosts


@click.command()
@click.option("-i", "inventory", metavar="INVENTORY", help="Ask the hosts of this inventory  [default: ansible.cfg's].")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON: programs, problems and alarms.")
def status(inventory: str | None, as_json: bool) -> None:
    """Say what runs where, whether it answers, and what has to be looked at soon; exit status 69 when not all is well.

    Of all hosts of an inventory: playbooks/status.yml; on a host itself, where the playbooks are not, of that host.
    """
    asked = inventory or (playbook.TREE / "playbooks").is_dir()
    found = _fleet(inventory) if asked else _own()
    print(json.dumps(dataclasses.asdict(found)) if as_json else "\n".join(lines(found)), flush=True)
    if not found.well:
        raise Unavailable("not all is well", remedy="the lines with PROBLEM and ALARM say what to look at")


def _own() -> Fleet:
    layout = layout_of(Path("/"))
    with contextlib.closing(Gathering(layout)) as gathering:
        checks = answer(gathering.snapshot().checks)["checks"]
    said = Said(report.rows(layout), renewal.alarming(renewal.Place(layout.root)), checks)
    return fleet({os.uname().nodename: said})


def _fleet(inventory: str | None) -> Fleet:
    with tempfile.TemporaryDirectory(prefix="ionman-status-") as place:
        into = Path(place) / "fleet.json"
        asked = json.dumps({"status_into": str(into)})
        words = playbook.command("status", Path(inventory) if inventory else None, "-e", asked)
        environment = playbook.environment({"ANSIBLE_NOCOLOR": "1"})
        done = process.run(words, env=environment, timeout=ASKING, check=False)
        if not into.exists():
            raise CommandFailed("ansible-playbook status.yml", done.returncode, done.stdout)
        return Fleet(**json.loads(into.read_text()))
