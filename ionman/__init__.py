"""ionman: a microservice from a GitHub release to an answered call on many hosts.

What a service is written on is imported on first use, so that the host's command does not load Twisted.
"""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionman.call import connect
    from ionman.runtime.application import microservice
    from ionman.runtime.classes import procedure, topic

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "microservice", "procedure", "topic"]

_LAZY = {
    "connect": "ionman.call",
    "microservice": "ionman.runtime.application",
    "procedure": "ionman.runtime.classes",
    "topic": "ionman.runtime.classes",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        if name != "connect":
            _step_back()
        try:
            return getattr(importlib.import_module(_LAZY[name]), name)
        except KeyboardInterrupt:
            raise SystemExit(130) from None  # nothing has begun that a traceback would tell of
    raise AttributeError(f"module 'ionman' has no attribute {name!r}")


def _step_back() -> None:
    """Put the folder of the script that runs last in the path: its json.py is a service's module, not Python's."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script and sys.path[:1] == [str(Path(script).resolve().parent)]:
        sys.path.append(sys.path.pop(0))
