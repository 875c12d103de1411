"""What `ionman deploy`, `rollback` and `scale` do: run a playbook on this terminal, and have it probed meanwhile."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ionman import process
from ionman.errors import InputError, IonmanError
from ionman.plays.playbook import TREE, command, environment

ALL = "*"  # for `probe`: every service of the inventory


def run(playbook: str, inventory: Path | None, arguments: Sequence[str], *, probe: str | None = None) -> int:
    """Run `playbooks/<playbook>.yml` with further `arguments` of ansible-playbook; returns its exit status.

    With `probe` (a service, or ALL) numbered calls go on meanwhile, and a fault in them is an exit status too.
    """
    words = command(playbook, inventory, *arguments)
    if probe is None:
        return process.follow(words, env=environment({}))
    with tempfile.TemporaryDirectory(prefix="ionman-probe-") as name:
        folder = Path(name)
        _prepare(inventory, folder, arguments)
        names = json.loads((folder / "services.json").read_text())
        if probe not in (ALL, *names):
            raise InputError(f"the inventory has no service {probe!r}", remedy=f"it has: {', '.join(names)}")
        for service in names if probe == ALL else [probe]:
            words = [*_ionman(), "probe", "run", service, "--config", folder / "call.ini", "--", *words]
        return process.follow(words, env=environment({}))


def _ionman() -> list[str | Path]:
    return [sys.executable, "-m", "ionman.command.main"]


def _prepare(inventory: Path | None, folder: Path, arguments: Sequence[str]) -> None:
    """Have Ansible write who calls where; it knows the inventory and its vault."""
    words = command("probe", inventory, *_for_inventory(arguments), "-e", json.dumps({"folder": str(folder)}))
    lines: list[str] = []
    plain = environment({"ANSIBLE_NOCOLOR": "1"})
    if process.stream(words, lines.append, cwd=TREE, env=plain):
        said = "\n".join(line for line in lines if line.startswith(("fatal:", "[ERROR]", "    msg:"))) or "\n".join(
            lines
        )
        raise IonmanError(
            f"who may call the probe cannot be read from the inventory:\n{said}",
            remedy="it takes lock_user and lock_password, an account with the role ops (docs/lock.md)",
        )


def _for_inventory(arguments: Sequence[str]) -> list[str]:
    """Those of `arguments` that change what the inventory says: variables and the vault's password."""
    kept: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in ("-e", "--extra-vars", "--vault-password-file", "--vault-id") and words:
            kept += [word, words.pop(0)]
        elif word in ("-J", "--ask-vault-pass", "--ask-vault-password") or word.startswith(
            ("-e", "--extra-vars=", "--vault-")
        ):
            kept.append(word)
    return kept
