"""What may be asked again, and where. Pure: a call is repeated only if it provably never started, or may run twice."""

from collections.abc import Iterable

from ionman.errors import IonmanError, Unavailable, WampError

NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure"
# The callee went away with the call in flight (Crossbar: "callee disconnected"), or was made to leave (the runtime).
INTERRUPTED = frozenset({"wamp.error.canceled", "ionman.error.drained"})
LONGEST_PAUSE = 2.0  # s between two rounds over the routers
MISSING_SECONDS = 2.0  # an idempotent procedure that nobody has registered for so long is not there


def is_missing(error: IonmanError) -> bool:
    """Whether the router said that it knows no such procedure: it never started, and another router may know it."""
    return isinstance(error, WampError) and error.uri == NO_SUCH_PROCEDURE


def again(error: IonmanError, *, idempotent: bool, unsent: bool = False, missing: float = 0.0) -> bool:
    """Whether a call that ended with `error` may be made again.

    `unsent`: the connection was lost before the router can have got any of it. `missing`: for how many seconds all
    routers that can be reached have known no such procedure.
    """
    if unsent:
        return True
    if not idempotent:
        return False
    if isinstance(error, WampError):
        return error.uri in INTERRUPTED or (is_missing(error) and missing < MISSING_SECONDS)
    return isinstance(error, Unavailable)  # the connection was lost


def declared(uri: str, idempotent: Iterable[str]) -> bool:
    """Whether `uri` is among `idempotent`: URIs, or beginnings that end in `.` or `*`."""
    return any(uri == one or (one.endswith((".", "*")) and uri.startswith(one.rstrip("*"))) for one in idempotent)


def pause(times: int) -> float:
    """Seconds before a call is made for the `times`-th time again on a router that answered: none before the first."""
    return 0.0 if times <= 1 else min(0.5, 0.02 * 2 ** min(times, 10))


def round_pause(rounds: int) -> float:
    """Seconds, at most, after so many rounds over all routers in which none was joined."""
    return 0.0 if rounds < 1 else min(LONGEST_PAUSE, 0.1 * 2 ** min(rounds, 10))
