"""ionman: a microservice from a GitHub release to an answered call on many hosts.

What a service is written on is imported on first use, so that the host's command does not load Twisted.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionman.runtime.application import microservice
    from ionman.runtime.classes import procedure, topic

__version__ = "0.1.0"
__all__ = ["__version__", "microservice", "procedure", "topic"]

_LAZY = {
    "microservice": "ionman.runtime.application",
    "procedure": "ionman.runtime.classes",
    "topic": "ionman.runtime.classes",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ionman' has no attribute {name!r}")
