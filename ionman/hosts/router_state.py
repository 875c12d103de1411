"""Crossbar's own folder on a host, one for each version: a version that is gone back to finds its own again.

What one version writes another may not be able to read (26.10.1 makes databases that 26.7.1 cannot open). So a version
that was never here begins with a copy of what the one before had, its key above all, and leaves that one's alone.
"""

import shutil

from ionman.files import folder
from ionman.hosts.layout import Layout

# Not copied: what belongs to a process, the host's own salt, and the folders of versions beside it.
OTHERS = shutil.ignore_patterns("*.pid", "*.sock", "salt", "[0-9]*", ".[0-9]*")


def prepare(layout: Layout, version: str, before: str) -> bool:
    """Have the folder of `version`; `before` is the version that ran last, or empty. Whether it was made now."""
    user = layout.router_user
    folder(layout.router_state, mode=0o750, user=user, group=user)
    place = layout.crossbar_state(version)
    if place.exists():
        return False
    half = place.with_name(f".{version}")
    if half.exists():
        shutil.rmtree(half)
    source = layout.crossbar_state(before) if before else layout.router_state
    if not source.exists():
        source = layout.router_state  # one folder for all versions, as it was at first
    shutil.copytree(source, half, ignore=OTHERS)
    half.chmod(0o750)
    if user is not None:
        for path in (half, *half.rglob("*")):
            shutil.chown(path, user, user)
    half.rename(place)
    return True


def forget(layout: Layout, version: str) -> None:
    """Remove the folder of a version that did not come up."""
    place = layout.crossbar_state(version)
    if place.exists():
        shutil.rmtree(place)


def tidy(layout: Layout, version: str) -> None:
    """Remove the folders of versions that are not installed any more; not that of `version`, which runs."""
    for place in layout.router_state.iterdir():
        if place.is_dir() and place.name != version and not layout.release("crossbar", place.name).exists():
            shutil.rmtree(place)
