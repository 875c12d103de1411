"""What is said at the end of a roll: one line a host, with what runs there now, what happened and why. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ionman.roll import BAD, Steps

LONGEST = 300  # characters of what is said of a host
_NOTHING = "nothing to do"
_ERROR = re.compile(r" error [^ ]+: (.+)")  # of a service's log line: time, level, program, message
_VERB = {"leave": "deploy"}  # the services that leave are its first part
_PAST = {"deploy": "deployed", "scale": "scaled", "rollback": "rolled back"}


def lines(
    steps: Mapping[str, Steps], lost: Mapping[str, str], left: Mapping[str, str] | None = None, *, check: bool = False
) -> list[str]:
    """The verdict: a headline, then a line for each host of the fleet.

    `lost`: host -> why it failed in a play that is none of the services' own; `left`: host -> which services went
    before. Empty when nothing was looked at and nothing failed.
    """
    left = left or {}
    fleet = list(next((one["look"]["fleet"] for one in steps.values() if "look" in one), lost))
    if not fleet:
        return []
    verb = next((one["look"]["verb"] for one in steps.values() if "look" in one), "this run")
    verb = _VERB.get(verb, verb)
    told = {host: (_runs(steps.get(host, {})), _happened(host, steps, lost, check=check)) for host in fleet}
    for host in left.keys() & told.keys():
        runs, what = told[host]
        told[host] = runs, left[host] if what == _NOTHING else f"{left[host]}; {what}"
    widths = [max(map(len, column)) for column in (told, [runs for runs, _ in told.values()])]
    rows = [f"{host:<{widths[0]}}  {runs:<{widths[1]}}  {what}".rstrip() for host, (runs, what) in told.items()]
    return [_headline(verb, fleet, steps, lost, left, check=check), *rows]


def gone(before: Steps, now: Steps) -> str:
    """Which services have left a host, when `before` are the steps of that part of a deploy and `now` those after."""
    turn = before.get("roll", {})
    over = before["look"]["verb"] == "leave" != now["look"]["verb"]
    return changed(turn["services"]) if over and turn.get("result") == "done" else ""


def first_line(text: object) -> str:
    """A message in one line: its first, and the error that a log in it ends with; the whole stands above."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    if not lines:
        return ""
    first = lines[0].removesuffix("; its log ends with").removesuffix(":")
    errors = [found[1] for line in lines[1:] if (found := _ERROR.search(line))]
    return _short(f"{first}: {errors[-1]}" if errors else first)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _headline(  # noqa: PLR0913 - all that is known
    verb: str,
    fleet: Sequence[str],
    steps: Mapping[str, Steps],
    lost: Mapping[str, str],
    left: Iterable[str],
    *,
    check: bool,
) -> str:
    bad = [host for host in fleet if _bad(steps.get(host, {})) or host in lost]
    if bad:
        turns = {steps.get(host, {}).get("roll", {}).get("result") for host in fleet}
        begun = left or turns & {"done", "failed", "unreachable"}
        return f"{verb} FAILED on {', '.join(bad)}" + ("" if begun else "; no service was changed")
    if check:
        return f"{verb}: only a check, nothing was changed"
    changed = [host for host in fleet if host in left or steps.get(host, {}).get("roll", {}).get("result") == "done"]
    return f"{_PAST[verb]} on {', '.join(changed)}" if changed else f"{verb}: nothing to do, all is as it should be"


def _bad(step: Steps) -> bool:
    return bool(step.get("look", {}).get("why")) or step.get("roll", {}).get("result") in BAD


def _runs(step: Steps) -> str:
    """What runs on a host, as far as is known: ``demo 1.0.0 x2``."""
    for part in ("end", "roll", "look"):
        found = step.get(part, {})
        if found.get("result") == "unreachable" or found.get("unreachable"):
            return "unknown"
        if "running" in found:
            return described(found["running"])
    return "unknown"


def described(rows: Iterable[Mapping[str, Any]]) -> str:
    """The instances of `ionman host status --json`, counted by service, version and generation."""
    found: dict[tuple[str, str, str], list[bool]] = {}
    for row in rows:
        if row["generation"]:
            found.setdefault((row["service"], row["version"], row["generation"]), []).append(row["ready"])
    parts = []
    for (service, version, generation), ready in found.items():
        unready = f", {ready.count(False)} not ready" if False in ready else ""
        parts.append(f"{service} {version} x{len(ready)} ({generation}{unready})")
    return ", ".join(parts) or "nothing"


def changed(changes: Iterable[Mapping[str, Any]]) -> str:
    """What `changes` come to: ``demo 1.0.0 -> 1.1.0``."""
    return ", ".join(text for change in changes if (text := _change(change)))


def _change(change: Mapping[str, Any]) -> str:
    old, new, name = change["from"], change["to"], change["service"]
    if not old or not new:
        return f"{name} {new['version']} started" if new else f"{name} removed" if old else ""
    if old["version"] != new["version"]:
        return f"{name} {old['version']} -> {new['version']}"
    if old["generation"] != new["generation"]:
        return f"{name} {old['generation']} -> {new['generation']}"
    return f"{name} x{old['instances']} -> x{new['instances']}" if old["instances"] != new["instances"] else ""


def _happened(host: str, steps: Mapping[str, Steps], lost: Mapping[str, str], *, check: bool) -> str:
    step = steps.get(host, {})
    look, turn, end = (step.get(part, {}) for part in ("look", "roll", "end"))
    if host in lost or look.get("why") or not look:
        return first_line(lost.get(host) or look.get("why") or "not looked at")
    what = changed(turn.get("services") or look.get("services") or ())
    if turn.get("result") == "unreachable":
        return _joined(first_line(turn["why"]), end)
    if turn.get("result") in BAD:
        return _joined(f"{turn['result']}: {first_line(turn['why'])}", end)
    if turn.get("result") == "done" or not look["changed"]:
        return _joined(what or "tidied up", end) if turn else _NOTHING
    if check:
        return f"would change: {what}" if what else "would change"
    return f"not begun: {first_line(turn.get('why', 'another host failed'))}"


def _joined(text: str, end: Steps) -> str:
    """What happened, and what became of it when another host failed."""
    result = end.get("result", "")
    if result in ("", "unreachable"):
        return text
    return f"{text}; {result}" + (f": {first_line(end['why'])}" if end.get("why") else "")
