"""The declared life cycle of an instance on one router, and of the instance as a whole.

connecting --joined--> registering --registered--> ready
    ^                       |                        |
    '--------- lost --------+------------------------'
any of them --drain--> draining --left--> gone
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an instance is; the words of the control socket."""

    CONNECTING = "connecting"
    REGISTERING = "registering"
    READY = "ready"
    DRAINING = "draining"
    GONE = "gone"


class Event(StrEnum):
    """What moves it on."""

    JOINED = "joined"
    REGISTERED = "registered"
    LOST = "lost"
    DRAIN = "drain"
    LEFT = "left"


TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.CONNECTING, Event.JOINED): State.REGISTERING,
    (State.REGISTERING, Event.REGISTERED): State.READY,
    (State.CONNECTING, Event.LOST): State.CONNECTING,
    (State.REGISTERING, Event.LOST): State.CONNECTING,
    (State.READY, Event.LOST): State.CONNECTING,
    (State.CONNECTING, Event.DRAIN): State.DRAINING,
    (State.REGISTERING, Event.DRAIN): State.DRAINING,
    (State.READY, Event.DRAIN): State.DRAINING,
    (State.DRAINING, Event.DRAIN): State.DRAINING,
    # While draining, what still arrives changes nothing: nothing is registered again.
    (State.DRAINING, Event.JOINED): State.DRAINING,
    (State.DRAINING, Event.REGISTERED): State.DRAINING,
    (State.DRAINING, Event.LOST): State.DRAINING,
    (State.DRAINING, Event.LEFT): State.GONE,
    (State.GONE, Event.DRAIN): State.GONE,
    (State.GONE, Event.LOST): State.GONE,
    (State.GONE, Event.LEFT): State.GONE,
}


def after(state: State, event: Event) -> State:
    """Return the state that `event` leads to; a pair that is not declared is a defect here, and a `ValueError`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"{event} cannot happen while {state}") from None


def overall(states: Iterable[State]) -> State:
    """Return the state of an instance from those on its routers: the furthest from ready; gone only if all are."""
    there = set(states)
    for state in (State.DRAINING, State.CONNECTING, State.REGISTERING, State.READY):
        if state in there:
            return state
    return State.GONE
