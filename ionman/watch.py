"""What a watch makes of the looks that it takes at a router. Pure; `ionman.hosts.router_watch` looks and acts.

A router that does not answer may be frozen, or only short of processor time on a busy host. What is frozen uses none,
and does not wait for any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FROZEN = 7.0  # s without an answer and without processor time
DEAF = 30.0  # s without an answer, whatever it does meanwhile
START = 300.0  # s that it gets to answer for the first time
FEWEST = 3  # looks that have to agree
USED = 0.02  # of one processor: less is none


class Verdict(StrEnum):
    """What has to be done about a router."""

    LEAVE = "leave it alone"
    KILL = "kill it"  # nobody can be asked anything any more
    RENEW = "restart it"  # it answers, and uses too much memory


@dataclass(frozen=True)
class Look:
    """What was seen at one moment `at` (s): the process `pid`, whether it answered, what it has used.

    `used` is the processor time (s) of it and its workers, `memory` their resident memory (MB); `stopped`: one of them
    is stopped, as by SIGSTOP; `runnable`: one of them runs, or would if it got a processor. A `pid` of 0
    means that there is none.
    """

    at: float
    pid: int
    well: bool
    used: float = 0.0
    stopped: bool = False
    runnable: bool = False
    memory: int = 0


def judge(looks: Sequence[Look], limit: int = 0) -> tuple[Verdict, str]:
    """What to do, and why; `looks` in order, `limit` in MB or 0 for none."""
    if not looks or not looks[-1].pid:
        return Verdict.LEAVE, "it does not run"
    same = [look for look in looks if look.pid == looks[-1].pid]
    since = next((number for number in range(len(same), 0, -1) if same[number - 1].well), 0)
    unwell = same[since:]
    if not unwell:
        return _memory(same, limit)
    first = same[since - 1] if since else same[0]
    span = unwell[-1].at - first.at
    if len(unwell) < FEWEST:
        return Verdict.LEAVE, "it has not answered now and then"
    if not since:
        late = span > START
        return (Verdict.KILL if late else Verdict.LEAVE), f"it has not answered within {span:.0f} s of its start"
    idle = unwell[-1].used - first.used < USED * span and not any(look.runnable for look in unwell)
    if span > FROZEN and (idle or all(look.stopped for look in unwell)):
        return Verdict.KILL, f"it is frozen: no answer for {span:.0f} s"
    return (Verdict.KILL if span > DEAF else Verdict.LEAVE), f"it has not answered for {span:.0f} s"


def _memory(same: Sequence[Look], limit: int) -> tuple[Verdict, str]:
    last = same[-FEWEST:]
    if limit and len(last) == FEWEST and all(look.memory > limit for look in last):
        return Verdict.RENEW, f"it uses {last[-1].memory} MB, and may use {limit} (router_memory_limit)"
    return Verdict.LEAVE, "it is well"
