"""Up and down. `up` looks at each part, makes what is missing and leaves the rest: it creates, repairs and resumes.

Whatever is killed in the middle, the next `up` or `down` finishes: parts are found by the lab's name (its control
group, its namespace, its directory), not by what an earlier run managed to write down.
"""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from ionman.errors import InputError
from ionman.lab import base, cgroup, disk, network, parts, pids, place, requirements, ssh

Tell = Callable[[str], None]
DEFAULT_HOSTS = 3


def up(name: str, hosts: int | None = None, while_pid: int = 0, tell: Tell = lambda _: None) -> bool:
    """Make lab `name` stand; True when something had to be done.

    `hosts` is the number of hosts of a new lab (3 unless given); with `while_pid` the lab goes down when that process
    ends. `tell` gets a line for each step. A new lab that cannot be finished is taken down again.
    """
    place.check_name(name)
    requirements.demand()
    begun = pids.started(while_pid) if while_pid else ""
    if while_pid and not begun:
        raise InputError(f"there is no process {while_pid}", remedy="give --while the id of a living process")
    place.STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.lock(name, tell):
        lab = place.find(name)
        if lab is not None and hosts not in (None, len(lab.hosts)):
            raise InputError(f"lab {name} has {len(lab.hosts)} hosts, not {hosts}", remedy=f"ionman lab down {name}")
        try:
            # Commands are started in the lab's own group: one that an interrupt leaves behind is ended with the rest.
            cgroup.clear(f"{name}/maker")
            with cgroup.inside(f"{name}/maker"):
                changed = _converge(lab or _create(name, DEFAULT_HOSTS if hosts is None else hosts, tell), tell)
            cgroup.clear(f"{name}/maker")
            _guard(place.load(name), while_pid, begun)
        except BaseException:
            if lab is None:
                _sweep(name)
            raise
    return changed


def _create(name: str, hosts: int, tell: Tell) -> place.Lab:
    """Write down what the new lab is to be."""
    planned = place.plan(name, base.path(), hosts)
    _sweep(name)
    base.ensure(tell)
    tell(f"lab {name}: making {hosts} host{'s' if hosts > 1 else ''}")
    planned.directory.mkdir(mode=0o700, parents=True)
    return place.save(planned)


def _converge(lab: place.Lab, tell: Tell) -> bool:
    if not Path(lab.base).is_dir():
        raise InputError(
            f"lab {lab.name} stands on an image that is gone: {lab.base}", remedy=f"ionman lab down {lab.name}"
        )
    changed = network.make(lab.namespace)
    key = ssh.public_key(lab)
    for host in lab.hosts:
        changed |= disk.make(lab, host, key)
    ssh.write(lab)
    changed |= _hosts(lab, tell)
    for forward in lab.targets:
        if not parts.running(lab, f"forward-{forward}"):
            lab = parts.start_forward(lab, forward)
            changed = True
    if not parts.running(lab, "github"):
        parts.start_github(lab)
        changed = True
    return changed


def _hosts(lab: place.Lab, tell: Tell) -> bool:
    """Boot, side by side, the hosts that do not answer."""
    began = time.monotonic()
    for host in lab.host_names:
        if parts.running(lab, host):
            network.link(lab.namespace, f"vb-{host}", up=True)
    down = [host for host in lab.host_names if not parts.answers(lab, host)]
    for host in down:
        tell(f"lab {lab.name}: booting {host}")
        parts.start_host(lab, host)
    for host in down:
        parts.wait_host(lab, host)
        tell(f"lab {lab.name}: {host} is up ({time.monotonic() - began:.1f} s)")
    return bool(down)


def _guard(lab: place.Lab, while_pid: int, begun: str) -> None:
    """See that the lab ends with `while_pid`, which began then; for 0, leave a guard that is there alone."""
    if while_pid:
        if pid := pids.alive(parts.records(lab), "guard"):
            cgroup.kill(pid)  # it may have left its group already, to take the lab down
        parts.start(lab, "guard", ["ionman.lab.guard", lab.name, str(while_pid), begun])


def down(name: str, tell: Tell = lambda _: None) -> bool:
    """Take lab `name` down and remove all of it; True when there was something."""
    place.check_name(name)
    requirements.demand_root()
    with place.lock(name, tell):
        there = (place.STATE / name).exists() or network.path(f"ionman-{name}").exists() or bool(cgroup.members(name))
        if there:
            tell(f"lab {name}: taking it down")
        _sweep(name)
    return there


def _sweep(name: str) -> None:
    """Remove whatever there is of a lab, whole or half-made.

    An interrupt waits until it is done: half a removal would have to be found again.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        if (lab := place.find(name)) is not None:
            ssh.hang_up(lab)
        cgroup.clear(name)
        network.remove(f"ionman-{name}")
        if (place.STATE / name).exists():
            shutil.rmtree(place.STATE / name)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
