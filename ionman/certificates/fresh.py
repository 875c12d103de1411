"""What is made of a file, made anew when the file was replaced: who stays for months follows a change of the CA."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ionman.errors import ConfigurationError

Made = TypeVar("Made")


class Fresh(Generic[Made]):
    """What `make` makes of the file at `path`, and of `others`, as they are now; without a path it is made once.

    The first time raises what `make` raises. Later a file that `make` refuses leaves what was made before: half of a
    change must not cut off somebody who works.
    """

    def __init__(self, path: Path | None, make: Callable[[], Made], *others: Path) -> None:
        self._paths, self._make = [one for one in (path, *others) if one], make
        self._seen = self._version()
        self._made = make()

    def now(self) -> Made:
        """What the file is good for now."""
        seen = self._version()
        if seen and seen != self._seen:
            try:
                self._made = self._make()
            except (ConfigurationError, OSError):
                return self._made  # and looked at again the next time
            self._seen = seen
        return self._made

    def _version(self) -> list[tuple[int, int]]:
        """What differs when a file was replaced: the time of a change cannot be set back."""
        try:
            found = [path.stat() for path in self._paths]
        except OSError:
            return []
        return [(one.st_ino, one.st_ctime_ns) for one in found]
