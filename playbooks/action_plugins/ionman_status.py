"""`ionman_status`: how all hosts of the play are, as a table, or as JSON in the file `into`."""

import dataclasses
import json
from pathlib import Path

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ionman import files, status

ANSWER = "status_answer"
ANSWERED = (0, 69)  # exit statuses of a host's command that has said how it is; 69: not well


class ActionModule(ActionBase):
    """One task, on the controller, after every host was asked."""

    def run(self, tmp=None, task_vars=None):
        """Show it, and fail when somebody has to look at something."""
        del tmp
        result = super().run(task_vars=task_vars)
        hosts = task_vars["ansible_play_hosts_all"]
        found = status.fleet({host: said(task_vars["hostvars"][host].get(ANSWER, {})) for host in hosts})
        if into := self._task.args.get("into"):
            files.write(Path(into), json.dumps(dataclasses.asdict(found)), mode=0o600)
            return result | {"changed": False}
        for line in status.lines(found):
            Display().display(line)
        wrong = {} if found.well else {"failed": True, "msg": "not all is well: see the lines above"}
        return result | {"changed": False} | wrong


def said(answer):
    """What a host answered to the three questions, in their order."""
    asked = answer.get("results") or [answer]
    for one in asked:
        if one.get("unreachable"):
            return status.Said(missing="cannot be reached; see that it is up and that this machine reaches it")
        if one.get("rc") not in ANSWERED:
            why = (one.get("stderr") or one.get("msg") or "no answer").strip().splitlines()[0]
            return status.Said(missing=f"cannot say how it is: {why}")
    programs, alarms, health = (json.loads(one["stdout"]) for one in asked)
    return status.Said(programs, alarms, health["checks"])
