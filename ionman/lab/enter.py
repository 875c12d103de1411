"""The inner half of a clean root: `python -m ionman.lab.enter PLAN COMMAND...`, started in namespaces of its own.

PLAN is a JSON file: `base`, `upper`, `work`, `root` (directories), `bind` and `read` (lists of [source, target in the
root], the latter read-only) and `cwd`. Mounts all of it, changes into the root and becomes the command.
"""

import json
import os
import sys
from pathlib import Path

from ionman import process
from ionman.lab import kernel


def mount(plan: dict[str, str], bind: list[list[str]], read: list[list[str]]) -> None:
    """Put the root together: the image, what changed above it, the kernel's file systems, what was asked for."""
    root = Path(plan["root"])
    kernel.overlay(Path(plan["base"]), Path(plan["upper"]), Path(plan["work"]), root)
    kernel.mount("proc", root / "proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("/dev", root / "dev", flags=kernel.MS_BIND | kernel.MS_REC)
    for source, target in bind:
        kernel.mount(source, _point(Path(source), root, target), flags=kernel.MS_BIND)
    for source, target in read:
        point = _point(Path(source), root, target)
        kernel.mount(source, point, flags=kernel.MS_BIND)
        kernel.mount("none", point, flags=kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)


def _point(source: Path, root: Path, target: str) -> Path:
    """The mount point in the root, made like its source when it is not there."""
    point = root / target.lstrip("/")
    if source.is_dir():
        point.mkdir(parents=True, exist_ok=True)
    else:
        point.parent.mkdir(parents=True, exist_ok=True)
        point.touch()
    return point


def main(plan_file: str, *command: str) -> None:
    """Become `command` in the root."""
    plan = json.loads(Path(plan_file).read_text())
    mount(plan, plan["bind"], plan["read"])
    os.chroot(plan["root"])
    os.chdir(plan["cwd"])
    process.become(command)


if __name__ == "__main__":
    main(*sys.argv[1:])
