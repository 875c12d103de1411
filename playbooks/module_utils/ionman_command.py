"""The host's own command, asked from a module: its answers, or the end of the task. Runs on a host."""

import json

from ansible.module_utils.ionman_services import Record

KILLED = 128  # what a shell adds to the signal that ended a command


class Command:
    """The host's command."""

    def __init__(self, module, path):
        self.module = module
        self.path = path

    def apply(self, state):
        """What `ionman host apply` answers."""
        return self._ask("apply", f"--wait={self.module.params['wait']}", data=json.dumps(state))

    def rollback(self, service, to="", entry="", blameless=False):
        """What `ionman host rollback` answers: to generation `to`, which is applied with `entry` if none is here."""
        told = [f"--to={to}"] if to else []
        told += ["--lent"] if entry else []
        told += ["--no-blame"] if blameless else []
        return self._ask("rollback", service, *self._deploy(), *told, data=entry or None)

    def remove(self, names, *, allow_gap):
        """What `ionman host remove` answers."""
        gap = ["--allow-gap"] if allow_gap else []
        return self._ask("remove", *names, *self._deploy(), *gap)

    def status(self):
        """What runs here, row by row."""
        return self._ask("status", data=None, may_check=False)

    def _deploy(self):
        """How long to wait, and for whose record."""
        deploy = self.module.params["deploy"]
        words = {"deploy": deploy.get("id"), "who": deploy.get("who"), "what": deploy.get("what")}
        return [f"--wait={self.module.params['wait']}", *(f"--{key}={word}" for key, word in words.items() if word)]

    def _ask(self, verb, *arguments, data=None, may_check=True):
        command = [self.path, "host", verb, "--json", f"--root={self.module.params['root']}", *arguments]
        if may_check and (self.module.check_mode or self.module.params["look"]):
            command.append("--check")
        status, out, err = self.module.run_command(command, data=data)
        if status:
            at, why = told(err.splitlines(), status, f"{self.path} host {verb}")
            running = self.status() if verb != "status" else []
            blamed = Record(self.module.params["root"]).failed()
            self.module.fail_json(msg=why, plan=err.splitlines()[:at], rc=status, running=running, blamed=blamed)
        return json.loads(out)


def told(lines, status, command):
    """(where in `lines` the error begins, the error): it begins with the command's name, after lines of progress.

    A command that was killed says nothing of it.
    """
    for at, line in enumerate(lines):
        if line.startswith("ionman: "):
            return at, "\n".join(lines[at:]).removeprefix("ionman: ")
    if status < 0 or status > KILLED:
        number = -status if status < 0 else status - KILLED
        return len(lines), f"{command} was killed by signal {number}\n  run the same again: it finishes the work"
    last = f": {lines[-1]}" if lines else ""
    return len(lines), f"{command} ended with status {status}{last}"
