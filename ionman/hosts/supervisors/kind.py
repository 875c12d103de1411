"""What each supervisor's module can do."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from ionman.hosts.layout import Layout
from ionman.hosts.supervisors.program import Program, Status


class Supervisor(Protocol):
    """One supervisor. Every function may be called again after a run that was killed in the middle of it."""

    MARK: str  # the file that says that a program's folder is this supervisor's
    FILES: frozenset[str]  # its other files in the folder

    def problem(self, layout: Layout) -> str:
        """Why this host cannot have it; empty when it can."""

    def files(self, layout: Layout, program: Program) -> dict[str, str]:
        """Its files in the program's folder: name -> text."""

    def has(self, layout: Layout, program: str) -> bool:
        """Whether it knows of the program, whatever the folder says."""

    def enable(self, layout: Layout, program: str) -> None:
        """Start it, now and after each boot."""

    def enabled(self, layout: Layout, program: str) -> bool:
        """Whether that was done, all of it."""

    def hold(self, layout: Layout, programs: Iterable[str]) -> None:
        """Have it know of programs that are to be started soon, where that takes a while."""

    def held(self, layout: Layout, program: str) -> bool:
        """Whether that was done, and the program not started since."""

    def up(self, layout: Layout, programs: Iterable[str]) -> None:
        """Start what is down."""

    def sweep(self, layout: Layout) -> None:
        """Forget programs whose folder is gone, and what a killed run left."""

    def status(self, layout: Layout, programs: Iterable[str]) -> dict[str, Status]:
        """How each is."""

    def await_supervised(self, layout: Layout, programs: Iterable[str], timeout: float) -> None:
        """Return when it has them; raises `NotPossible` after `timeout` s."""

    def restart(self, layout: Layout, program: str) -> None:
        """Ask the process to end and have another one; does not wait."""

    def kill(self, layout: Layout, program: str) -> None:
        """End the process at once, without a word to it."""

    def stop(self, layout: Layout, programs: Mapping[str, float]) -> None:
        """Ask each to end and to stay down, after a boot too; the number is the time (s) that it will be given."""

    def release(self, layout: Layout, programs: Iterable[str], timeout: float) -> None:
        """Forget programs that are down. Raises `Late` after `timeout` s."""

    def normal_priority(self, layout: Layout, program: str) -> None:
        """Give it its full share of the processors."""
