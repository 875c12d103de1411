"""The part of `ionman_repo` on the controller: reads the packages, asks `ionman.repo.plan`, uploads what is missing."""

import hashlib
import os
import tempfile
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ionman.errors import IonmanError
from ionman.process import run
from ionman.repo import KEEP, Deb, from_list, plan

OURS = ("debs", "keyring", "keep", "hold")
FIELDS = ("Package", "Version", "Architecture")


class ActionModule(ActionBase):
    """One task: look, plan, upload, publish."""

    def run(self, tmp=None, task_vars=None):
        """Run the module once to look, and once more when something is to be included or removed."""
        del tmp
        super().run(task_vars=task_vars)
        arguments = {name: value for name, value in self._task.args.items() if name not in OURS}
        try:
            offered = [inspect(path) for path in sorted(Path(self._task.args["debs"]).glob("*.deb"))]
            found = self._execute_module("ionman_repo", module_args=arguments, task_vars=task_vars)
            if found.get("failed"):
                return found
            todo, after = plan(
                offered,
                from_list(found["present"]),
                keep=int(self._task.args.get("keep", KEEP)),
                hold=self._task.args.get("hold") or (),
            )
        except IonmanError as error:
            raise AnsibleActionFail(str(error)) from error
        done = found
        if (todo.include or todo.remove) and not self._task.check_mode:
            done = self._publish(todo, arguments, task_vars)
            if done.get("failed"):
                return done
        new_key = self._keep_key(done["key"])
        return {
            "changed": found["changed"] or bool(todo.include or todo.remove) or new_key,
            "diff": found["diff"] + _difference(found["present"], after),
            "fingerprint": done["fingerprint"],
            "packages": [deb.label for deb in after],
            "digests": {deb.label: deb.sha256 for deb in after},
        }

    def _publish(self, todo, arguments, task_vars):
        """Upload what is to be included, then have the host do the plan."""
        folder = self._make_tmp_path()
        include = []
        for deb in todo.include:
            file = self._connection._shell.join_path(folder, deb.label)
            self._transfer_file(deb.path, file)
            include.append({"package": deb.package, "sha256": deb.sha256, "file": file})
        remove = [{"package": package, "architecture": architecture} for package, architecture in todo.remove]
        todo_arguments = {**arguments, "include": include, "remove": remove}
        return self._execute_module("ionman_repo", module_args=todo_arguments, task_vars=task_vars)

    def _keep_key(self, key):
        """Keep the public key on the controller, where the hosts' play finds it; True when it is another one."""
        path = Path(self._task.args["keyring"])
        if not key or (path.exists() and path.read_text(encoding="ascii") == key):
            return False
        if not self._task.check_mode:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".ionman-")
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(key)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        return True


def inspect(path):
    """The package in a file, by dpkg-deb. Raises `IonmanError` for a file that is none."""
    answer = run(["dpkg-deb", "--field", path, *FIELDS])
    fields = dict(line.split(": ", 1) for line in answer.stdout.splitlines() if ": " in line)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Deb(*(fields[name] for name in FIELDS), sha256=digest, path=str(path))


def _difference(rows, after):
    """The packages of the repository before and after, for --diff."""
    before = "".join(f"{deb.label} {deb.sha256}\n" for deb in sorted(from_list(rows), key=lambda deb: deb.label))
    text = "".join(f"{deb.label} {deb.sha256}\n" for deb in after)
    if before == text:
        return []
    return [{"before_header": "packages", "after_header": "packages", "before": before, "after": text}]
