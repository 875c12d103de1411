"""`ionman_lock`: takes the lock of the realm for this run of ansible-playbook, on the controller; once is enough."""

import os
from pathlib import Path

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ionman import lock, locks
from ionman.errors import IonmanError

REMEDY = "wait for it, or have this run wait: -e lock_wait=600 (seconds); `ionman lock show` says who holds it"

LONGEST = 7 * 86400  # s
RIGHTS = "look at lock_user, lock_password, and the user's role in router_realms: it has to be ops"


class ActionModule(ActionBase):
    """One task: held, or why not."""

    def run(self, tmp=None, task_vars=None):
        """Start the process that holds it, or see that this run has it already."""
        del tmp
        result = super().run(task_vars=task_vars)
        arguments = self._task.args
        if self._task.check_mode:
            return result | {"changed": False, "msg": "a check changes nothing: it takes no lock"}
        access = {name: str(arguments.get(name) or "") for name in ("realm", "user", "password", "ca")}
        access["ca"] = str(Path(access["ca"]).absolute()) if access["ca"] else ""
        routers = arguments.get("routers") or ()
        access["routers"] = routers.split(",") if isinstance(routers, str) else [str(router) for router in routers]
        missing = [f"lock_{name}" for name in ("routers", "user", "password") if not access[name]]
        if missing:
            why = f"there is no lock: another deploy can run at the same time. Set {', '.join(missing)} (docs/lock.md)"
            return result | {"changed": False, "msg": why, "warnings": [why]}
        try:
            state = locks.take(
                access, self._what(), seconds(arguments.get("wait") or 0), Display().display, os.getppid()
            )
        except IonmanError as error:
            raise AnsibleActionFail(str(error)) from error
        return result | answer(state)

    def _what(self):
        """What this run is for, as its command line says."""
        named = {"service": self._task.args.get("service"), "limit": context.CLIARGS.get("subset")}
        tags = [tag for tag in context.CLIARGS.get("tags") or () if tag != "all"]
        return lock.what(context.CLIARGS.get("args") or (), {**named, "tags": ",".join(tags)})


def seconds(text):
    """A time to wait."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= LONGEST:
        raise AnsibleActionFail(f"lock_wait is {text!r}: give seconds, from 0 to {LONGEST}")
    return found


def answer(state):
    """The task's result for the holder's state."""
    if state["state"] in ("refused", "lost"):
        raise AnsibleActionFail(f"{state['why']}\n  {REMEDY}")
    if state["state"] == "barred" and state["asked"] > 1:  # the routers were made right meanwhile
        raise AnsibleActionFail(f"{state['why']}\n  {RIGHTS}")
    result = {"changed": False, "warnings": state["warnings"], "lock": state}
    if state["state"] == "held":
        return result | {"msg": f"held on {', '.join(state['routers'])}"}
    why = f"{state['why']}. The deploy goes on without it"
    return result | {"msg": why, "warnings": [why]}
