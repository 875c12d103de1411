"""ionman: a microservice from a GitHub release to an answered call on many hosts.

``ionman.microservice`` is imported on first use, so that the host's command does not load Twisted.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ionman.runtime.application import microservice

__version__ = "0.1.0"
__all__ = ["__version__", "microservice"]


def __getattr__(name: str) -> Any:
    if name == "microservice":
        from ionman.runtime.application import microservice  # noqa: PLC0415 - lazy on purpose, see above

        return microservice
    raise AttributeError(f"module 'ionman' has no attribute {name!r}")
