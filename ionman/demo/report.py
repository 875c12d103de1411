"""What the demo tells: progress on standard error while it works, one line per noun on standard output at its end."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Tell = Callable[[str], None]
_began = time.monotonic()


def tell(line: str) -> None:
    """One line of progress, with the seconds since the command began."""
    print(f"[{time.monotonic() - _began:6.1f} s] {line}", file=sys.stderr, flush=True)


def ini(realm: str, user: str, port: int, password: str, ca: Path) -> str:
    """A configuration for `ionman call --config`, or for a service, with the router on loopback."""
    lines = {"realm": realm, "user": user, "password": password, "routers": f"localhost:{port}", "ca": ca}
    return "".join(f"{key} = {value}\n" for key, value in lines.items())


@dataclass
class Report:
    """What was made: `lines` are (noun, what), in the order of the chain; `changed` says whether anything was done.

    `failed`: a call was lost, doubled or wrong.
    """

    lines: list[tuple[str, str]] = field(default_factory=list)
    hints: Sequence[str] = ()
    changed: bool = False
    failed: bool = False

    def add(self, noun: str, parts: Iterable[str]) -> None:
        """Add the line of `noun`."""
        self.lines.append((noun, "  ".join(parts)))

    def text(self) -> str:
        """The whole report as it is printed."""
        made = [f"{noun:<8} {what}" for noun, what in self.lines]
        verdict = "Done." if self.changed else "Nothing changed: all of it was there already."
        if self.failed:
            verdict = "Not as it should be: see the probe."
        return "\n".join([*made, "", verdict, *self.hints])
