"""One host's part in a change of the services of many: look, take the turn, and at the end stay or be put back.

Runs on the controller. What each host knows is in its result, `steps` (see `ionman.roll`), which the role registers;
nothing here fails in the middle, because Ansible would then run neither the turns nor the putting back of the others.
"""

import time

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ionman import locks, roll, target
from ionman.errors import IonmanError
from ionman.plays import fleet
from ionman.plays.verdict import changed, first_line

REGISTERED = "service_turn"
MEMORY, LENT = "service_memory", "service_lent"  # what the hosts remember and lend, for a rollback
HANDED_ON = ("state", "routers", "ca", "ready_timeout", "wait", "root", "command")
UNREACHABLE = "see that the host is up and that this machine reaches it, then run the same again"


class ActionModule(ActionBase):
    """One task, three times: before, in and after the roll."""

    def run(self, tmp=None, task_vars=None):
        """Do the step that is asked for."""
        del tmp
        super().run(task_vars=task_vars)
        self.host = task_vars["inventory_hostname"]
        self.vars = task_vars
        self._generation = ""  # that a scale starts where there is none
        step = self._task.args["step"]
        try:
            steps = {"look": self._look, "roll": self._roll, "end": self._end, "apply": self._apply}
            steps |= {"remember": self._remember, "lend": self._lend}
            return steps[step]()
        except IonmanError as error:
            return self._told(step, {"result": "refused", "why": str(error)}, failed=step != "roll")

    def _apply(self):
        """The host by itself, without looking at others."""
        return self._ask(self._asked(soaked=True))

    # --- before anything changes ----------------------------------------------------------------------------------

    def _remember(self):
        """Which generations the host remembers."""
        return {"changed": False, **self._ask({**self._plain("remember")})}

    def _lend(self):
        """What the generation that is chosen was applied with, when it is this host that lends it to another."""
        known, name = self._registered(MEMORY, "memory"), self._task.args["service"]
        lent = {to for host, to in target.choose(known, name).items() if target.lender(known, host, to) == self.host}
        answers = {to: self._ask({**self._plain("lend"), "generation": to}) for to in sorted(lent)}
        bad = [answer for answer in answers.values() if answer.get("failed") or answer.get("unreachable")]
        return bad[0] if bad else {"changed": False, "lent": {to: one["entry"] for to, one in answers.items()}}

    def _plain(self, what):
        """The arguments of the module that only asks."""
        state = self._task.args["state"]
        return {"what": what, "state": state, "service": self._task.args["service"], "deploy": self._deploy()}

    def _target(self):
        """Where a rollback goes on this host, and what another host has lent for that."""
        known, name = self._registered(MEMORY, "memory"), self._task.args["service"]
        to = target.choose(known, name).get(self.host, "")
        lender = target.lender(known, self.host, to) if to else ""
        entry = self._registered(LENT, "lent")[lender][to] if lender else ""
        return {"generation": to, "entry": entry}

    def _registered(self, name, key):
        """Host -> what it answered in an earlier task."""
        found = {host: self.vars["hostvars"][host].get(name, {}) for host in self.vars["ansible_play_hosts_all"]}
        return {host: one[key] for host, one in found.items() if key in one}

    def _look(self):
        """What the host would do, and what runs there."""
        answer = self._ask(self._asked(soaked=True), look=True)
        found = {
            "fleet": list(self.vars["ansible_play_hosts_all"]),
            "verb": self._verb,
            "settings": {name: self._task.args[name] for name in ("canary", "batch")},
            "changed": bool(answer.get("changed")),
            "services": answer.get("services", []),
            "running": answer.get("running", []),
        }
        if answer.get("unreachable") or answer.get("failed"):
            found |= {"why": answer["msg"], "unreachable": bool(answer.get("unreachable"))}
            told = self._told("look", found, failed=True)
            return told if answer.get("failed") else {**told, "failed": False, "unreachable": True}
        told = self._told("look", found)
        if self._task.check_mode:
            told |= {"changed": found["changed"], "diff": answer.get("diff", []), "msg": answer["msg"]}
        return told

    # --- the turn ---------------------------------------------------------------------------------------------------

    def _roll(self):
        """Change the host, unless something speaks against it; a failure is told and not raised."""
        steps = self._steps()
        looks = {host: steps[host]["look"] for host in steps if "look" in steps[host]}
        rolling = roll.arrange(looks, self._task.args["canary"], self._task.args["batch"])
        why = roll.stop(steps, looks[self.host]["fleet"])
        if why or self._task.check_mode:
            return self._told("roll", {"result": "not begun", "why": why})
        gap = "" if boolean(self._task.args["allow_gap"]) else roll.gap(looks)
        why = gap or self._otherwise(looks) or fleet.held()
        if why:
            return self._told("roll", {"result": "refused", "why": why})
        return self._change(rolling)

    def _otherwise(self, looks):
        """Why a scale would not mean the same here as elsewhere."""
        name = self._task.args["service"]
        if self._verb != "scale" or not roll.strange(looks, name, self.host):
            return ""
        self._generation = roll.common(looks, name)  # perhaps the host remembers it
        answer = self._ask(self._asked(soaked=False), look=True)
        own = {**looks[self.host], "services": answer.get("services", [])}
        return roll.strange({**looks, self.host: own}, name, self.host)

    def _change(self, rolling):
        began = time.monotonic()
        soaked = self.host in rolling.soaked
        self._say(f"{self.host}: {'canary, ' if soaked and len(rolling.batches) > 1 else ''}begins")
        answer = self._ask(self._asked(soaked=soaked, canaries=rolling.canaries.get(self.host, {})))
        turn = {name: answer[name] for name in ("services", "running") if name in answer}
        turn["took"] = round(time.monotonic() - began, 1)
        if answer.get("unreachable") or answer.get("failed"):
            turn |= {"result": "unreachable" if answer.get("unreachable") else "failed", "why": answer["msg"]}
            turn["blamed"] = answer.get("blamed", [])
            self._display.error(f"{self.host}: {first_line(answer['msg'])}", wrap_text=False)
        else:
            turn["result"] = "done" if answer["changed"] else "unchanged"
            self._say(f"{self.host}: {changed(turn['services']) or turn['result']} in {turn['took']:g} s")
        fleet.tell(self.host, self._deploy(), turn)
        return {**self._told("roll", turn), "changed": turn["result"] == "done", "diff": answer.get("diff", [])}

    # --- afterwards -------------------------------------------------------------------------------------------------

    def _end(self):
        """Nothing, when all went well; else put this host back if it had its turn, and fail."""
        steps = self._steps()
        everybody = steps[self.host]["look"]["fleet"]
        why = roll.stop(steps, everybody)
        if not why or self._task.check_mode:
            return self._told("end", {})
        turn = steps[self.host].get("roll", {})
        end = self._put_back(turn, why) if turn.get("result") in ("done", "failed", "unreachable") else {}
        own = turn.get("why") if turn.get("result") in roll.BAD else ""
        idle = "not begun" if steps[self.host]["look"]["changed"] else "left as it is"
        message = own or f"{end.get('result') or idle}, because {end.get('why') or why}"
        return {**self._told("end", end, failed=True), "msg": message, "changed": bool(end.get("changed"))}

    def _put_back(self, turn, why):
        """Undo this host's turn, unless the inventory says to stay or there is no way back from a way back."""
        if lock := fleet.held():
            return {"result": "left as it is", "why": lock}
        changes = turn.get("services") or self._steps()[self.host]["look"]["services"]
        stays = boolean(self._task.args["stay"]) or self._verb == "rollback" or not changes
        asked = {**self._asked(soaked=False), "what": "back", "changes": [] if stays else changes}
        asked["blameless"] = not roll.blamed(self._steps())
        answer = self._ask({**asked, "deploy": {**self._deploy(), "what": "put back"}})
        if answer.get("unreachable"):
            return {"result": "unreachable", "why": answer["msg"]}
        if answer.get("failed"):
            return {"result": "could not be put back", "why": answer["msg"]}
        result = "left as it is" if stays else "put back" if answer["changed"] else ""
        told = {"result": result, "why": why if answer["changed"] else "", "running": answer["running"]}
        return {**told, "changed": answer["changed"]}

    # --- what the steps share ---------------------------------------------------------------------------------------

    @property
    def _verb(self):
        return self._task.args["verb"]

    def _steps(self):
        """What is known of each host of the fleet."""
        hosts = roll.steps(self.vars[REGISTERED])["look"]["fleet"]
        return {host: roll.steps(self.vars["hostvars"][host].get(REGISTERED)) for host in hosts}

    def _told(self, step, found, *, failed=False):
        """The result: this step beside those before it.

        Of a failure Ansible shows everything but what is below `invocation` (unless -vvv); it does not register that.
        """
        steps = {**({} if step == "look" else roll.steps(self.vars[REGISTERED])), step: found}
        if failed:
            return {"changed": False, "failed": True, "msg": found.get("why", ""), "invocation": {"steps": steps}}
        return {"changed": False, "steps": steps}

    def _deploy(self):
        """Who does what, for the record of the hosts; the id is the same for all hosts of this run."""
        return {**locks.deploy(), "what": {"leave": "deploy"}.get(self._verb, self._verb)}

    def _asked(self, *, soaked, canaries=None):
        """The arguments of the module that runs on the host."""
        args = self._task.args
        state = fleet.state(args, self.host, soaked=soaked, canaries=canaries or {})
        what = {"deploy": "apply"}.get(self._verb, self._verb)
        asked = {name: args[name] for name in HANDED_ON if name in args}
        asked |= {"what": what, "state": state, "service": args["service"], "deploy": self._deploy()}
        if self._verb == "scale":
            asked |= {"instances": fleet.number(args, self.host), "generation": self._generation}
        if self._verb == "rollback":
            asked |= self._target()
        return asked | {"allow_gap": boolean(args["allow_gap"])}

    def _ask(self, asked, *, look=False):
        """The answer of the host; an unreachable one is an answer too."""
        try:
            answer = self._execute_module("ionman_apply", module_args={**asked, "look": look}, task_vars=self.vars)
        except AnsibleConnectionFailure as error:
            why = first_line(getattr(error, "message", error))
            return {"unreachable": True, "msg": f"{self.host} cannot be reached: {why}\n  {UNREACHABLE}"}
        answer.pop("invocation", None)
        if answer.get("failed") and "msg" not in answer:
            answer["msg"] = f"{self.host} gave no answer"
        return answer

    def _say(self, line):
        self._display.display(f"services: {line}")
