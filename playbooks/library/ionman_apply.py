"""Hands a host its desired state: a thin way to the host's own command, which decides and does."""

DOCUMENTATION = """
module: ionman_apply
short_description: Make a host run what it should, in one step
description:
  - Sends the desired state to C(ionman host apply) on standard input and returns its plan. See docs/host.md.
  - Services of the inventory are handed in as they are; what only the router needs of them is left out for the host,
    and the other way round. What a service may register is read from its package's control fields.
options:
  what:
    description: C(apply) the state; C(rollback) the C(service) to C(generation); C(scale) the C(service) to so many
      C(instances) and change nothing else that runs; C(leave) out what is not in the state and change nothing else;
      undo C(changes) of an earlier apply (C(back)); C(remember) which generations of the C(service) were good here;
      C(lend) to another host what C(generation) was applied with.
    type: str
    choices: [apply, rollback, scale, leave, back, remember, lend]
    default: apply
  look: {description: Only say what would be done and what runs, type: bool, default: false}
  service: {description: The service to roll back or to scale, type: str}
  instances: {description: How many instances the service gets on this host, type: int, default: 0}
  generation: {description: "What is gone back to, or what a service that has no instance here starts as", type: str}
  entry: {description: "What another host has lent of C(generation), as JSON", type: json}
  changes: {description: "What an apply answered as C(services), to be undone", type: list, elements: dict}
  blameless: {description: What is undone was not at fault and may be deployed again, type: bool, default: false}
  deploy: {description: "For the host's record: C(id), C(who) and C(what)", type: dict}
  allow_gap: {description: The last instances of a service may go, type: bool, default: false}
  state:
    description: The desired state as JSON, with the sections C(services), C(router) and C(metrics). A string, so that
      Ansible hides it as a whole and not each word of it in the plan.
    type: json
    required: true
  routers: {description: "HOST:PORT of every router, for services that name none", type: list, elements: str}
  ca: {description: CA file on the host for services that name none, type: str}
  ready_timeout: {description: Seconds for services that name none, type: int}
  wait: {description: Seconds to wait for another apply on the host, type: int, default: 600}
  root: {description: Another root than /, for the single-machine form, type: path, default: /}
  command: {description: The host's command, type: path, default: /usr/bin/ionman}
"""

import json
import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ionman_command import Command
from ansible.module_utils.ionman_services import Mixed, Record, back, narrowed, running

# Keys of a service of the inventory that hosts do not need: the router's, and what was made of it before (total).
FOR_ROUTER = ("calls", "procedures", "topics", "public_key", "total")


class Unknown(Exception):  # noqa: N818 - says what it is
    """A package that this host's apt does not know (yet)."""


def main():
    """Prepare the state, hand it over, and tell what was answered."""
    module = AnsibleModule(
        argument_spec={
            "what": {"type": "str", "choices": list(DOING), "default": "apply"},
            "look": {"type": "bool", "default": False},
            "service": {"type": "str", "default": ""},
            "instances": {"type": "int", "default": 0},
            "generation": {"type": "str", "default": ""},
            "entry": {"type": "json", "default": "", "no_log": True},
            "changes": {"type": "list", "elements": "dict", "default": []},
            "blameless": {"type": "bool", "default": False},
            "deploy": {"type": "dict", "default": {}},
            "allow_gap": {"type": "bool", "default": False},
            "state": {"type": "json", "required": True, "no_log": True},
            "routers": {"type": "list", "elements": "str", "default": []},
            "ca": {"type": "str", "default": ""},
            "ready_timeout": {"type": "int", "default": 0},
            "wait": {"type": "int", "default": 600},
            "root": {"type": "path", "default": "/"},
            "command": {"type": "path", "default": "/usr/bin/ionman"},
        },
        supports_check_mode=True,
    )
    command = module.params["command"]
    if not os.access(command, os.X_OK):
        later(module, f"{command} is not on this host yet")
    state = prepared(module)
    host = Command(module, command)
    what = module.params["what"]
    answer = DOING[what](module, host, state)
    module.exit_json(**(answer if what in ("remember", "lend") else told(module, host, answer)))


def prepared(module):
    """The state as the host's command takes it."""
    state = json.loads(module.params["state"])
    if module.params["deploy"]:
        state["deploy"] = module.params["deploy"]
    if "services" in state:
        state["services"] = [for_host(service, module.params) for service in state["services"]]
    if "router" in state:
        try:
            state["router"]["services"] = [for_router(module, one) for one in state["router"].get("services", [])]
        except Unknown as error:
            later(module, f"the package {error} is not in this host's apt sources yet")
    return state


def told(module, host, answer):
    """The module's result: what was done or would be, the change of each service, and what runs."""
    plan = answer["plan"]
    return {
        "changed": answer["changed"],
        "msg": message(answer),
        "plan": plan,
        "services": answer.get("services", []),
        "running": host.status() if module.params["look"] else answer.get("running", []),
        "diff": [{"prepared": "\n".join(plan) + "\n"}] + [difference(one) for one in answer["diff"]]
        if answer["changed"]
        else [],
    }


def apply(_, host, state):
    """As the state says."""
    return host.apply(state)


def remember(module, host, _):
    """What this host knows of the generations of the service, for whoever chooses the one to go back to."""
    name, rows = module.params["service"], host.status()
    memory = Record(module.params["root"]).generations(name)
    return {"changed": False, "memory": {**memory, "running": sorted(running(rows).get(name, {}))}}


def lend(module, *_):
    """What a generation was applied with here: it may hold secrets."""
    entry = Record(module.params["root"]).entry(module.params["service"], module.params["generation"])
    return {"changed": False, "entry": json.dumps(entry) if entry else ""}


def rollback(module, host, _):
    """Back to the generation that was chosen; where the service has no instance there is nothing to go back."""
    name, rows = module.params["service"], host.status()
    if name not in running(rows):
        return {"changed": False, "plan": [], "diff": [], "services": [], "running": rows}
    return host.rollback(name, module.params["generation"], module.params["entry"])


def scale(module, host, state):
    """Another number of instances of one service; what else runs stays as it is, whatever the inventory says now."""
    numbers = {module.params["service"]: module.params["instances"]}
    return host.apply(only(module, state, host.status(), numbers))


def leave(module, host, state):
    """Services that are in no list any more go; everything else stays as it is."""
    listed, rows = {service["name"] for service in state["services"]}, host.status()
    names = [name for name in running(rows) if name not in listed]
    if not names:
        return {"changed": False, "plan": [], "diff": [], "services": [], "running": rows}
    return host.remove(names, allow_gap=module.params["allow_gap"])


def put_back(module, host, state):
    """Undo the changes: another generation by the host's rollback, a number of instances by an apply."""
    rolled, _ = back(module.params["changes"], host.status())
    before = {one["service"]: one["from"]["generation"] for one in module.params["changes"] if one["from"]}
    blameless = module.params["blameless"]
    answers = [host.rollback(name, before[name], blameless=blameless) for name in rolled]
    rows = host.status()
    _, numbers = back(module.params["changes"], rows)
    if numbers:  # a service that is new goes as it came: nobody called it before
        answers.append(host.apply({**only(module, state, rows, numbers), "allow_gap": True}))
    return {
        "changed": any(answer["changed"] for answer in answers),
        "plan": [step for answer in answers for step in answer["plan"]],
        "diff": [],
        "services": [one for answer in answers for one in answer.get("services", [])],
        "running": host.status(),
    }


def only(module, state, rows, numbers):
    """The state in which nothing but these numbers of instances differs from what runs."""
    try:
        record, generation = Record(module.params["root"]), module.params["generation"]
        services = narrowed(state["services"], rows, record.entry, numbers, generation)
    except Mixed as error:
        module.fail_json(msg=f"{error}: a deploy was interrupted here. Deploy again first: that finishes it")
    gap = {"allow_gap": True} if module.params["allow_gap"] else {}
    return {**state, "services": [{**one, **(gap if one["name"] in numbers else {})} for one in services]}


DOING = {
    "apply": apply,
    "rollback": rollback,
    "scale": scale,
    "leave": leave,
    "back": put_back,
    "remember": remember,
    "lend": lend,
}


def later(module, why):
    """What an earlier playbook brings is not there: a check goes on, a deploy cannot."""
    if module.check_mode:
        module.exit_json(changed=True, msg=f"{why}; the rest of the plan is known when it is", plan=[], running=[])
    module.fail_json(msg=f"{why}: run playbooks/host.yml first")


def for_host(service, params):
    """A service of the inventory as `ionman host apply` takes it."""
    made = {key: value for key, value in service.items() if key not in FOR_ROUTER}
    config = dict(made.get("config") or {})
    if params["routers"] and not {"routers", "host"} & set(config):
        config["routers"] = params["routers"]
    if params["ca"]:
        config.setdefault("ca", params["ca"])
    made["config"] = config
    if params["ready_timeout"]:
        made.setdefault("ready_timeout", params["ready_timeout"])
    return made


def for_router(module, service):
    """A service of the inventory as `ionman.router.node` takes it: who it is, and what it may do."""
    settings = {**(service.get("config") or {}), **(service.get("secrets") or {})}
    made = {"name": service["name"], "realm": settings.get("realm"), "user": settings.get("user")}
    if service.get("public_key"):
        made["key"] = service["public_key"]
    else:
        made["password"] = settings.get("password")
    fields = {}
    if "procedures" not in service or "topics" not in service:
        fields = declared(module, service.get("app", service["name"]), str(service["version"]))
    for key in ("procedures", "topics"):
        made[key] = service.get(key, fields.get(key, []))
    made["kept"] = [] if "procedures" in service else fields["kept"]
    made["calls"] = service.get("calls", [])
    return made


def declared(module, app, version):
    """What the packages of an application say that it registers and publishes (Ionman-Procedures, Ionman-Topics).

    `procedures` are those of this version; `kept` are the others that a release known to apt registers: one that still
    drains, or that a rollback brings back. `topics` are all of them together.
    """
    command = ["apt-cache", "show", "--no-all-versions", f"^{re.escape(app)}-[0-9]"]
    _, text, _ = module.run_command(command)  # its status is 100 when it finds none
    found = {}
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        release = fields.get("Package", "").removeprefix(f"{app}-")
        # demo-2-1.0.0 is no release of demo: the package's own version is 1.0.0-1.
        if fields.get("Version", "").rpartition("-")[0].replace("~", "-") == release:
            found[release] = [fields.get(f"Ionman-{key}", "").split() for key in ("Procedures", "Topics")]
    if version not in found:
        raise Unknown(f"{app}-{version}")
    procedures = found[version][0]
    everything = {uri for registered, _ in found.values() for uri in registered}
    return {
        "procedures": procedures,
        "kept": sorted(everything - set(procedures)),
        "topics": sorted({uri for _, topics in found.values() for uri in topics}),
    }


def message(answer):
    """What runs, or what would be done, for a reader."""
    if answer.get("running"):
        rows = answer["running"]
        return [f"{row['program']} {row['version']}: {row['note'] or 'ready'}, pid {row['pid']}" for row in rows]
    return [" ".join(step.split()) for step in answer["plan"]] or ["nothing to do"]


def difference(one):
    """A file's difference as Ansible shows it."""
    name = one["name"]
    return {"before_header": name, "after_header": name, "before": one["before"], "after": one["after"]}


if __name__ == "__main__":
    main()
