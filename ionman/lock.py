"""The lock: one deploy at a time in a realm. What its holder says, what the routers' answers mean, in which words.

It is a procedure that only one session of a realm may register, on every router (docs/lock.md), so it goes when its
holder goes. Whoever is refused calls it, and is told who holds it: a document of these keys::

    {"who": "alice@controller", "host", "since": ISO 8601 in UTC, "what": "scale demo", "id", "pid", "settled": bool}

`settled` is false while the holder still asks the other routers, and may yet give back what it has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal

LOCK = "ionman.deploy.lock"
EVENTS = "ionman.deploy."  # prefix of the topics
TOPICS = ("started", "host", "finished", "failed")
UNSETTLED = 20.0  # s; longer than a router takes to miss a holder that is cut off: ping every 10 s, answer within 5 s

RETURN = 15.0  # s; longer than a router takes to restart: 6 s, and to be noticed: 5 s

Kind = Literal["got", "taken", "away", "barred"]
State = Literal["taking", "held", "open", "barred", "refused", "lost"]


@dataclass(frozen=True)
class Owner:
    """Who deploys: the account and its machine, since when, what, and the run's own id."""

    who: str
    host: str
    since: str
    what: str
    id: str
    pid: int

    def document(self, *, settled: bool) -> dict[str, Any]:
        """What the procedure answers."""
        return asdict(self) | {"settled": settled}

    def words(self) -> str:
        """Who, since when and for what, in one part of a sentence."""
        return f"{self.who} has held it since {moment(self.since)} for {self.what or 'a deploy'} (process {self.pid})"


NOBODY = Owner("somebody", "", "", "", "", 0)


def owner(document: Any) -> Owner:
    """The owner that a holder's answer names; `NOBODY` knows better than to trust what is no such answer."""
    if not isinstance(document, Mapping):
        return NOBODY
    texts = {field.name: str(document.get(field.name, ""))[:200] for field in fields(Owner) if field.name != "pid"}
    pid = document.get("pid")
    return Owner(**texts, pid=pid if isinstance(pid, int) else 0) if texts["who"] else NOBODY


@dataclass(frozen=True)
class Answer:
    """What one router said to the attempt: got, taken by `by`, away (not reached) or barred (refused to this account).

    A `taken` that is not `settled` may be free in a moment: its holder still asks around, or is silent, or just left.
    """

    router: str
    kind: Kind
    why: str = ""
    by: Owner = NOBODY
    settled: bool = True


@dataclass(frozen=True)
class Verdict:
    """What the answers of all routers come to; `why` is a sentence, `warnings` are for a deploy that goes on."""

    state: State
    why: str = ""
    warnings: tuple[str, ...] = ()
    settled: bool = True


def order(routers: Iterable[str]) -> list[str]:
    """Every router once, in the order that all deployers ask them: so two that begin together meet at the first."""
    return sorted({router.strip().lower() for router in routers})


def verdict(answers: Sequence[Answer]) -> Verdict:
    """What to do after `answers`, one for each router that was asked.

    Taken on one is taken. Got on one is held, whatever the others say, for they cannot let another deploy through
    that asks them all. Without a router there is no lock to be had: a first deploy is what brings them up.
    """
    taken = next((answer for answer in answers if answer.kind == "taken"), None)
    if taken:
        return Verdict("refused", refusal(taken), settled=taken.settled)
    missing = tuple(f"{answer.router}: {answer.why}" for answer in answers if answer.kind != "got")
    if any(answer.kind == "got" for answer in answers):
        return Verdict("held", warnings=tuple(f"the lock is not held on {one}" for one in missing))
    if any(answer.kind == "barred" for answer in answers):
        return Verdict("barred", f"the lock cannot be taken: {'; '.join(missing)}", missing)
    why = "; ".join(missing) or "no router is named"
    return Verdict("open", f"no router can be asked for the lock: {why}", missing)


def after(before: Verdict, found: Verdict) -> Verdict:
    """`found` in the light of what was found `before`: that its routers went away frees no lock that was taken."""
    if before.state == "refused" and found.state in ("open", "barred"):
        return Verdict("refused", before.why, settled=False)
    return found


def refusal(taken: Answer) -> str:
    """Who is in the way, where."""
    if taken.by == NOBODY:
        return f"the lock on {taken.router} is taken{': ' + taken.why if taken.why else ''}"
    return f"another deploy is at work: {taken.by.words()}, on {taken.router}"


def objection(state: Mapping[str, Any]) -> str:
    """Why a roll must not go on to its next host, given the holder's `state` document; empty when it may."""
    kind = state.get("state")
    if kind in ("held", "open"):
        return ""
    if kind == "lost":
        return f"the lock was lost while it was held: {state.get('why')}"
    return str(state.get("why") or "the lock is not held")


def patience(wait: float, found: Verdict, *, coming_back: bool = False) -> float:
    """Seconds to go on asking, from the first attempt on.

    Who is not settled gets the time to settle, or to be missed. `coming_back`: the lock was held before on a router
    that cannot be reached now; it may just be restarting.
    """
    if found.state == "refused":
        return wait if found.settled else max(wait, UNSETTLED)
    return RETURN if found.state == "open" and coming_back else 0.0


def what(playbooks: Iterable[str], names: Mapping[str, Any]) -> str:
    """What a run of these playbook files is for: `scale demo (limit host2)`.

    `names` may have service, limit and tags.
    """
    words = [PurePath(playbook).stem for playbook in playbooks]
    if names.get("service"):
        words.append(str(names["service"]))
    only = [f"{key} {names[key]}" for key in ("limit", "tags") if names.get(key)]
    return " ".join(words) + (f" ({', '.join(only)})" if only else "")


def moment(text: str) -> str:
    """An ISO 8601 time as a reader likes it; what is none is given back as it is."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return text or "an unknown time"


def event(document: Mapping[str, Any], by: Owner, when: datetime) -> dict[str, Any]:
    """What is published about `document`: with which run it belongs to, and when (ISO 8601, UTC)."""
    about = {"id": by.id, "who": by.who, "what": by.what}
    return {**document, **about, "when": when.astimezone(UTC).isoformat(timespec="milliseconds")}
