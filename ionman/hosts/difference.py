"""What a plan changes in configuration files, for a reader: the secrets in them are masked."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from ionman.host import Facts, Plan, parts
from ionman.hosts.crossbar import FoundNode, Node
from ionman.hosts.layout import ROUTER
from ionman.hosts.state import SECRET
from ionman.router import CONFIGURATION, RIGHTS

MASK = "(hidden)"
CREDENTIAL = re.compile(r"password|secret|ticket|salt|stored-key|server-key")

Difference = dict[str, str]  # name, before, after: whole texts, empty for a file that is not there


def services(plan: Plan, facts: Facts) -> list[Difference]:
    """The configuration of each new generation, beside that of the one it replaces."""
    found = []
    written = set(plan.targets("write"))
    for goal in plan.goals:
        name = f"{goal.service.name}/{goal.generation}/config.ini"
        if name not in written:
            continue
        running = sorted(p for p in facts.programs if (split := parts(p)) and split[0] == goal.service.name)
        old = f"{goal.service.name}/{running[-1].split('.')[1]}/config.ini" if running else name
        hidden = goal.service.hidden
        before, after = mask(facts.files.get(old, ""), hidden), mask(goal.files[name], hidden)
        found.append({"name": name, "before": before, "after": after})
    return found


def mask(text: str, hidden: Collection[str]) -> str:
    """`key = value` lines without the values of `hidden` keys and of those that sound secret."""
    lines = []
    for line in text.splitlines():
        key, equals, _ = line.partition(" = ")
        secret = equals and (key in hidden or SECRET.search(key)) and not line.startswith("#")
        lines.append(f"{key} = {MASK}" if secret else line)
    return "".join(f"{line}\n" for line in lines)


def router(node: Node, found: FoundNode) -> list[Difference]:
    """Crossbar's configuration without its credentials, and the services' rights."""
    return [
        {"name": f"{ROUTER}/{name}", "before": masked(before) if before else "", "after": masked(node.files[name])}
        for name in (CONFIGURATION, RIGHTS)
        if (before := found.files.get(name, "")) != node.files[name]
    ]


def masked(text: str) -> str:
    """A JSON text with every credential masked; a text that is no JSON is masked as a whole."""
    try:
        document = json.loads(text)
    except ValueError:
        return f"{MASK}\n"
    return json.dumps(_masked(document), indent=2, sort_keys=True) + "\n"


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: MASK if CREDENTIAL.fullmatch(key) else _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
