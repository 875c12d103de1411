"""`ionman_history`: the record of all hosts of the play as one table, or as JSON in the file `into`."""

import json
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ionman import files, history

ANSWER = "history_answer"


class ActionModule(ActionBase):
    """One task, on the controller, after every host was asked."""

    def run(self, tmp=None, task_vars=None):
        """Show the table; a host that could not be asked is named."""
        del tmp
        result = super().run(task_vars=task_vars)
        answers = {host: task_vars["hostvars"][host].get(ANSWER, {}) for host in task_vars["ansible_play_hosts_all"]}
        rows = {host: json.loads(answer["stdout"]) for host, answer in answers.items() if answer.get("rc") == 0}
        merged = history.merge(rows, int(self._task.args.get("last") or 0))
        missing = sorted(set(answers) - set(rows))
        if into := self._task.args.get("into"):
            files.write(Path(into), json.dumps({"rows": merged, "missing": missing}), mode=0o600)
            return result | {"changed": False}
        for line in history.table(merged):
            Display().display(line)
        for host in missing:
            Display().warning(f"{host} could not be asked")
        return result | {"changed": False, "missing": missing}
