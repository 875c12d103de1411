"""systemd units that are checked before they land, started and enabled."""

DOCUMENTATION = """
module: ionman_units
short_description: systemd units, checked, landed, enabled and started in one step
description:
  - Each unit passes C(systemd-analyze verify) before any of them lands. A running unit whose file changed is restarted.
options:
  units:
    description: The text of each unit by its name.
    type: dict
    default: {}
  started:
    description: The units that are to be enabled and running.
    type: list
    elements: str
    default: []
  watched:
    description: What units read, as lists of files. A unit that runs since before one of them changed is restarted,
      also when the deploy that changed it was interrupted. Fails with the journal's words when one cannot.
    type: dict
    default: {}
  stopped:
    description: Units of others that are to be disabled and stopped.
    type: list
    elements: str
    default: []
"""

import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ionman_files import Wanted

FOLDER = Path("/etc/systemd/system")


def verify(module, units):
    """Fail the task with systemd's words when a unit is not right."""
    with tempfile.TemporaryDirectory(prefix="ionman-units-") as root:
        for name, text in units.items():
            Path(root, name).write_text(text, encoding="utf-8")
        paths = [str(Path(root, name)) for name in units]
        status, out, err = module.run_command(["systemd-analyze", "verify", "--man=no", *paths])
    if status:
        told = (out + err).replace(root, str(FOLDER))
        module.fail_json(msg=f"systemd refuses these units; nothing was changed:\n{told}")


def states(module, units):
    """How many of enabled and running hold for each unit: 0, 1 or 2."""

    def holds(question, unit):
        return module.run_command(["systemctl", "--quiet", question, unit])[0] == 0

    return {unit: holds("is-enabled", unit) + holds("is-active", unit) for unit in units}


def older(module, unit, paths):
    """Whether a unit runs since before one of its files changed (whole seconds, as systemctl tells them)."""
    shown = ["--property=ActiveState,ActiveEnterTimestamp", "--timestamp=unix"]
    text = module.run_command(["systemctl", "show", *shown, unit])[1]
    known = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if known.get("ActiveState") != "active":
        return False
    since = int(known["ActiveEnterTimestamp"].lstrip("@"))
    return any(int(path.stat().st_mtime) > since for path in map(Path, paths) if path.exists())


def act(module, steps):
    """Run systemctl for each of `steps`; fails the task with what the journal says."""
    for step in steps:
        status, out, err = module.run_command(["systemctl", *step])
        if status:
            units = [f"-u{unit}" for unit in step if "." in unit]
            lines = module.run_command(["journalctl", "--no-pager", "-n", "8", "-o", "cat", *units])[1].splitlines()
            told = "\n".join(dict.fromkeys(lines))
            module.fail_json(msg=f"systemctl {' '.join(step)} ended with status {status}:\n{out}{err}{told}")


def main():
    """Compare, then act."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "dict", "default": {}},
            "started": {"type": "list", "elements": "str", "default": []},
            "watched": {"type": "dict", "default": {}},
            "stopped": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    units, started = module.params["units"], module.params["started"]
    files = [Wanted(FOLDER / name, text.encode()) for name, text in units.items()]
    differences = [(file, difference) for file in files if (difference := file.difference())]
    waiting = [unit for unit, state in states(module, started).items() if state < 2]
    running = [unit for unit, state in states(module, module.params["stopped"]).items() if state > 0]
    behind = [unit for unit, paths in module.params["watched"].items() if older(module, unit, paths)]
    if not module.check_mode:
        if differences:
            verify(module, units)
        for file, _ in differences:
            file.land()
        changed = [file.path.name for file, _ in differences]
        restart = [unit for unit in started if unit in changed and unit not in waiting]
        restart += [unit for unit in behind if unit not in restart]
        steps = [["daemon-reload"]] if changed else []
        todo = {"disable": running, "enable": waiting, "restart": restart}
        now = {"disable": ["--now"], "enable": ["--now"], "restart": []}
        act(module, steps + [[verb, *now[verb], *names] for verb, names in todo.items() if names])
    text = {when: "".join(f"{unit}\n" for unit in found) for when, found in (("before", running), ("after", waiting))}
    diff = [difference for _, difference in differences]
    if waiting or running:
        diff.append({"before_header": "running", "after_header": "running", **text})
    diff += [{"before_header": unit, "after_header": unit, "before": "", "after": "restarted\n"} for unit in behind]
    module.exit_json(changed=bool(diff), diff=diff)


if __name__ == "__main__":
    main()
