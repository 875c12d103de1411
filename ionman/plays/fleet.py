"""What the action plugin hands to one host: its services with the numbers and the watching that fall to it."""

import json
from collections.abc import Mapping
from typing import Any

from ionman import locks, roll
from ionman.errors import InputError

# Of a service on a host, when nobody says otherwise (ionman.hosts.state): what is so is not sent.
USUAL = {
    "surge": 1,
    "soak": 0,
    "soak_errors": 0.01,
    "soak_latency": 3,
    "supervisor": "svc",
    "allow_gap": False,
    "retry": False,
}
Arguments = Mapping[str, Any]


def state(args: Arguments, host: str, *, soaked: bool, canaries: Mapping[str, int]) -> str:
    """The desired state of `host` as JSON. `args` are the task's: state, hosts, out, surge, soak, settle, ..."""
    services = json.loads(args["state"]) if isinstance(args["state"], str) else args["state"]
    watching = {key: args[key] for key in USUAL if key in args}
    watching["soak"] = args["soak"] if soaked else args["settle"]
    watching = {key: _as(USUAL[key], value) for key, value in watching.items()}
    watching = {key: value for key, value in watching.items() if value != USUAL[key]}
    made = []
    for service in services["services"]:
        canary = {"canary": canaries[service["name"]]} if service["name"] in canaries else {}
        made.append({**watching, **canary, **service, **_number(service, args, host)})
    gap = {"allow_gap": True} if _as(False, args.get("allow_gap", False)) else {}  # one that is not listed may go too
    return json.dumps({"services": made, **gap})


def _as(usual: object, value: Any) -> Any:
    """`value` as Ansible's variables have it, which are texts on its command line, in the kind of `usual`."""
    if isinstance(usual, bool):
        return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "on", "1")
    return value if isinstance(usual, str) else float(value) if "." in str(value) else int(value)


def _number(service: Mapping[str, Any], args: Arguments, host: str) -> dict[str, int]:
    """The instances of `service` on `host`: its share of `total`, none where the host is being taken out."""
    if "total" in service and "instances" in service:
        where = f"service_list: {service['name']}"
        raise InputError(f"{where} has both instances and total", remedy="instances is per host, total over all hosts")
    if "total" in service:
        total = whole(service["total"], f"service_list: {service['name']}.total")
        return {"instances": roll.spread(total, args["hosts"], args["out"]).get(host, 0)}
    return {"instances": 0} if host in args["out"] else {}


def number(args: Arguments, host: str) -> int:
    """How many instances the service that is scaled gets on `host`."""
    if args.get("total") not in (None, ""):
        return roll.spread(whole(args["total"], "total"), args["hosts"], args["out"]).get(host, 0)
    return 0 if host in args["out"] else whole(args.get("instances"), "instances")


def whole(value: object, place: str) -> int:
    """A number of instances; `InputError` naming `place` for anything else."""
    text = str(value).strip()
    if not text.isdecimal() or len(text) > 5:
        raise InputError(f"{place}: {text!r} is no number of instances", remedy="write 0, 1, 2 ...")
    return int(text)


def held() -> str:
    """Why this run may not go on because of the deploy's lock; empty when it may."""
    return locks.held()


def tell(host: str, deploy: Mapping[str, str], turn: Mapping[str, Any]) -> None:
    """Publish what became of a host's turn, for whoever watches the deploy."""
    shown = {key: turn[key] for key in ("result", "why", "services", "took") if key in turn}
    locks.tell("host", {**deploy, "host": host, **shown})
