"""`ionman history`: what was deployed, on all hosts together, or on this one."""

import json
import os
import tempfile
from pathlib import Path

import click

from ionman import history as record_of
from ionman import process
from ionman.errors import CommandFailed, Unavailable
from ionman.hosts import record
from ionman.hosts.layout import Layout
from ionman.plays import playbook

ASKING = 600.0  # s for all hosts


@click.command()
@click.argument("service", required=False, default="")
@click.option("-i", "inventory", metavar="INVENTORY", help="Ask the hosts of this inventory  [default: ansible.cfg's].")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last N entries.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON, an entry for each host.")
def history(service: str, inventory: str | None, last: int | None, as_json: bool) -> None:
    """Say what was deployed when, by whom, from what to what, and how it ended.

    Of all hosts of an inventory; on a host itself, where the playbooks are not, what was done there.
    """
    rows, missing = _fleet(service, inventory) if inventory or (playbook.TREE / "playbooks").is_dir() else _own(service)
    rows = rows[-last:] if last else rows
    print(json.dumps(rows) if as_json else "\n".join(record_of.table(rows)), flush=True)
    if missing:
        raise Unavailable(f"{', '.join(missing)} could not be asked", remedy="look at them, then ask again")


def _own(service: str) -> tuple[list[record_of.Row], list[str]]:
    return record_of.merge({os.uname().nodename: record.history(Layout(Path("/")), service)}), []


def _fleet(service: str, inventory: str | None) -> tuple[list[record_of.Row], list[str]]:
    """The rows of all hosts, and the hosts that did not answer."""
    with tempfile.TemporaryDirectory(prefix="ionman-history-") as place:
        into = Path(place) / "rows.json"
        asked = {"history_into": str(into)} | ({"service": service} if service else {})
        words = playbook.command("history", Path(inventory) if inventory else None, "-e", json.dumps(asked))
        environment = playbook.environment({"ANSIBLE_NOCOLOR": "1"})
        done = process.run(words, env=environment, timeout=ASKING, check=False)
        if not into.exists():
            raise CommandFailed("ansible-playbook history.yml", done.returncode, done.stdout)
        answer = json.loads(into.read_text())
        return answer["rows"], answer["missing"]
