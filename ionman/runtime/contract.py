"""What every instance answers beside its service's own procedures (docs/runtime.md).

ping, info, stats and call are this instance's own; `ionman.service.<service>.probe` is shared by all instances, and is
offered, counted and drained like the author's procedures.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from ionman.naming import Instance
from ionman.runtime.classes import Details
from ionman.runtime.dispatch import INVALID_ARGUMENT, NO_SUCH, Answered, Dispatch, argument
from ionman.runtime.modules import Bound
from ionman.runtime.session import Answer

IN_INFO = ("title", "release", "host", "pid", "since", "procedures")


class Contract:
    """The contract of the instance `who`; `document` is what its control socket says."""

    def __init__(self, who: Instance, version: str, dispatch: Dispatch, document: Callable[[], dict[str, Any]]) -> None:
        self._who = who
        self._version = version
        self._dispatch = dispatch
        self._document = document
        self.probe = Bound(who.probe, self._probe, "the runtime's probe")

    def answers(self, procedures: Iterable[Bound]) -> Mapping[str, Answer]:
        """URI -> answer of what is this instance's own; `call` reaches `procedures`."""
        uris = self._who.contract()
        return {
            uris["ping"]: _fixed(self._ping),
            uris["info"]: _fixed(self._info),
            uris["stats"]: _fixed(self._numbers),
            uris["call"]: self._call({bound.uri: bound for bound in procedures}),
        }

    def _ping(self) -> dict[str, Any]:
        return {"status": "OK", "name": self._who.service, "id": self._who.name, "version": self._version}

    def _info(self) -> dict[str, Any]:
        document = self._document()
        routers = {address: one["state"] for address, one in document["routers"].items()}
        return self._ping() | {name: document[name] for name in IN_INFO} | {"routers": routers}

    def _numbers(self) -> dict[str, Any]:
        document = self._document()
        return self._ping() | {"in_flight": document["in_flight"], "procedures": document["stats"]}

    def _probe(self, argv: Any, details: Details) -> dict[str, Any]:
        """Answer a numbered request with its number and with who answers."""
        del details
        number = argv.get("n") if isinstance(argv, dict) else None
        if isinstance(number, bool) or not isinstance(number, int):
            raise Answered(INVALID_ARGUMENT, 'the probe is sent {"n": a whole number}')
        who = {"instance": self._who.name, "host": self._who.host, "generation": self._who.generation}
        return {"status": "OK", "n": number} | who | {"version": self._version}

    def _call(self, procedures: Mapping[str, Bound]) -> Answer:
        """Call a procedure of just this instance, whoever else has registered it."""

        def give(args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
            asked = argument(args, kwargs)
            if not isinstance(asked, dict) or not isinstance(asked.get("uri"), str) or set(asked) - {"uri", "argv"}:
                raise Answered(INVALID_ARGUMENT, 'call is sent {"uri": "app.demo.method1", "argv": {}}')
            uri = asked["uri"]
            if uri not in procedures:
                raise Answered(NO_SUCH, f"{self._who.name} has no {uri}; it has {', '.join(sorted(procedures))}")
            argv = (asked["argv"],) if "argv" in asked else ()
            return self._dispatch.call(procedures[uri], argv, {}, replace(details, uri=uri))

        return give


def _fixed(answer: Callable[[], dict[str, Any]]) -> Answer:
    def give(args: tuple[Any, ...], kwargs: dict[str, Any], details: Details) -> "Deferred[Any]":
        del args, kwargs, details
        return succeed(answer())

    return give
