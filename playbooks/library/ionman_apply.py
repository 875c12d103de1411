"""Hands a host its desired state: a thin way to `ionman host apply`, which decides and does."""

DOCUMENTATION = """
module: ionman_apply
short_description: Make a host run what it should, in one step
description:
  - Sends the desired state to C(ionman host apply) on standard input and returns its plan. See docs/host.md.
  - Services of the inventory are handed in as they are; what only the router needs of them is left out for the host,
    and the other way round. What a service may register is read from its package's control fields.
options:
  state:
    description: The desired state as JSON, with the sections C(services) and C(router). A string, so that Ansible hides
      it as a whole and not each word of it in the plan.
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

from ansible.module_utils.basic import AnsibleModule

FOR_ROUTER = (
    "calls",
    "procedures",
    "topics",
    "public_key",
)  # keys of a service of the inventory that hosts do not need


class Unknown(Exception):  # noqa: N818 - says what it is
    """A package that this host's apt does not know (yet)."""


def main():
    """Prepare the state, hand it over, and tell what was answered."""
    module = AnsibleModule(
        argument_spec={
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
    state = json.loads(module.params["state"])
    if "services" in state:
        state["services"] = [for_host(service, module.params) for service in state["services"]]
    if "router" in state:
        try:
            state["router"]["services"] = [for_router(module, one) for one in state["router"].get("services", [])]
        except Unknown as error:
            later(module, f"the package {error} is not in this host's apt sources yet")
    answer = apply(module, command, state)
    plan = answer["plan"]
    module.exit_json(
        changed=answer["changed"],
        msg=message(answer),
        plan=plan,
        running=answer.get("running", []),
        diff=[{"prepared": "\n".join(plan) + "\n"}] + [difference(one) for one in answer["diff"]]
        if answer["changed"]
        else [],
    )


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
        fields = declared(module, f"{service.get('app', service['name'])}-{service['version']}")
    for key in ("procedures", "topics"):
        made[key] = service.get(key, fields.get(key, []))
    made["calls"] = service.get("calls", [])
    return made


def declared(module, package):
    """What a package says that its service registers and publishes: the fields Ionman-Procedures and Ionman-Topics."""
    status, text, _ = module.run_command(["apt-cache", "show", "--no-all-versions", package])
    if status:
        raise Unknown(package)
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name in ("Ionman-Procedures", "Ionman-Topics"):
            found[name.removeprefix("Ionman-").lower()] = value.split()
    return found


def apply(module, command, state):
    """What `ionman host apply` answers."""
    arguments = [
        command,
        "host",
        "apply",
        "--json",
        f"--wait={module.params['wait']}",
        f"--root={module.params['root']}",
    ]
    if module.check_mode:
        arguments.append("--check")
    status, out, err = module.run_command(arguments, data=json.dumps(state))
    if status:
        lines = err.splitlines()
        # Lines of progress, then the error, which begins with the command's name.
        at = next((number for number, line in enumerate(lines) if line.startswith("ionman: ")), 0)
        why = "\n".join(lines[at:]).removeprefix("ionman: ")
        module.fail_json(msg=why or f"{command} ended with status {status}", plan=lines[:at], rc=status)
    return json.loads(out)


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
