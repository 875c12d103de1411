"""A small real callee: registers procedures as a service does, and answers until it is stopped."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

from ionman.call import Account, Client
from ionman.errors import WampError

Procedure = Callable[[Any, Mapping[str, Any]], Any]


class WampFailure(WampError):
    """Raised by a procedure to answer with this error."""


class Callee:
    """Registers `procedures` (URI -> f(argv, details)); what f returns is the answer. Use it as a context manager."""

    def __init__(self, address: str, ca: Path, account: Account, procedures: Mapping[str, Procedure]) -> None:
        self.client = Client([address], account, ca=ca, deadline=60)
        for uri, run in procedures.items():
            self.client.register(uri, partial(_answer, run), "roundrobin", details=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.client.close()


def _answer(run: Procedure, argv: Any = None, *, details: Mapping[str, Any]) -> Any:
    return run(argv, details)
