"""What a host's services become when only some of them are to change. Runs on a host: standard library only."""

import json
from pathlib import Path


class Mixed(Exception):  # noqa: N818 - says what it is
    """A service of which several generations are here: a deploy was interrupted and has to be finished first."""


class Record:
    """What this host remembers of the generations of its services (ionman.hosts.record), below `root`."""

    def __init__(self, root):
        self.folder = Path(root) / "var/lib/ionman/record"

    def entry(self, service, generation):
        """The entry of `services` that this generation was applied with; None when there is no such record."""
        return self._document(self.folder / service / f"{generation}.json").get("entry")

    def failed(self):
        """The generations that are marked as failed."""
        return sorted(
            path.stem for path in self.folder.glob("*/*.json") if self._document(path).get("mark") == "failed"
        )

    def releases(self):
        """The packages of the generations that were good, of which one is gone back to, and of those half rolled."""
        entries = [
            document["entry"]
            for path in self.folder.glob("*/*.json")
            if (document := self._document(path)).get("entry")
        ]
        return {f"{entry.get('app', entry['name'])}-{entry['version']}" for entry in entries}

    def generations(self, service):
        """What is remembered of a service, but not what was applied: {"pending", "records": {generation: {...}}}."""
        found = {path.stem: self._document(path) for path in (self.folder / service).glob("[!.]*.json")}
        pending = found.pop("pending", None)
        records = {}
        for name, one in found.items():
            entry = one.get("entry") or {}
            records[name] = {**{key: one.get(key, "") for key in ("mark", "when", "why")}, "kept": bool(entry)}
            records[name]["version"] = entry.get("version", "")
        return {"pending": pending, "records": records}

    @staticmethod
    def _document(path):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}


def running(rows):
    """{service: {generation: instances}} of the rows of `ionman host status --json`; the router is none of them."""
    found = {}
    for row in rows:
        if row.get("generation"):
            generations = found.setdefault(row["service"], {})
            generations[row["generation"]] = generations.get(row["generation"], 0) + 1
    return found


def narrowed(services, rows, record, numbers, generation=""):
    """The desired services that differ from what runs only in the numbers of instances in `numbers`.

    `services` is the inventory's list, `rows` what runs, `record(service, generation)` an entry as it was applied or
    None, `numbers` {service: instances, or None to take it away}. A service that has no instance here starts as
    `generation` when it is remembered, else as the inventory has it. Raises Mixed.
    """
    here, listed = running(rows), {service["name"]: service for service in services}
    made = []
    for name in [*here, *(name for name in numbers if name not in here)]:
        generations = here.get(name, {})
        if len(generations) > 1:
            raise Mixed(f"{name} runs here in {len(generations)} generations ({', '.join(sorted(generations))})")
        number = numbers.get(name, sum(generations.values()))
        entry = next((record(name, one) for one in generations or (generation,)), None) or listed.get(name)
        if entry is None or number is None or not (generations or number):
            continue
        made.append({**entry, "instances": number})
    return made


def back(changes, rows):
    """(services to roll back, {service: instances or None}) that undo `changes` where they were made.

    A service that was removed stays so: the host has forgotten it.
    """
    here, rolled, numbers = running(rows), [], {}
    for change in changes:
        old, new, name = change["from"], change["to"], change["service"]
        count = here.get(name, {})
        if old and new and old["generation"] != new["generation"] and new["generation"] in count:
            rolled.append(name)
        elif old and new and old["generation"] in count and count[old["generation"]] != old["instances"]:
            numbers[name] = old["instances"]
        elif new and not old and name in here:
            numbers[name] = None
    return rolled, numbers
