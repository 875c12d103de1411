"""`ionman lab`: lab hosts on this machine."""

import json
import os
import sys
import time

import click

from ionman import process
from ionman.lab import hosts as labs
from ionman.lab import inventory as inventories
from ionman.lab import lifecycle, parts, place, requirements

_began = time.monotonic()


def _tell(line: str) -> None:
    """Progress, with the seconds since the command began."""
    print(f"[{time.monotonic() - _began:5.1f} s] {line}", file=sys.stderr, flush=True)


def _default() -> str:
    return os.environ.get("IONMAN_LAB") or place.DEFAULT_NAME


_name = click.argument("name", required=False, default=_default)


@click.group()
def lab() -> None:
    """Debian hosts on this machine, in a network of their own, for trying and testing.

    NAME is the lab's name; without it the environment variable IONMAN_LAB, or demo.
    """


@lab.command()
@_name
@click.option("--hosts", type=int, help="How many hosts a new lab gets (default 3).")
@click.option("--while", "while_pid", type=int, default=0, metavar="PID", help="Take it down when process PID ends.")
def up(name: str, hosts: int | None, while_pid: int) -> None:
    """Make a lab stand: create it, finish it or repair it."""
    if lifecycle.up(name, hosts, while_pid, _tell):
        made = place.load(name)
        print(f"lab {name} is up: {', '.join(f'{host.name} {host.address}' for host in made.hosts)}")
        print(f"  look around: ionman lab ssh {name} host1    take it down: ionman lab down {name}")
    else:
        print(f"lab {name} is up: nothing to do")


@lab.command()
@_name
def down(name: str) -> None:
    """Take a lab down and leave nothing of it."""
    print(f"lab {name} is gone" if lifecycle.down(name, _tell) else f"there is no lab {name}: nothing to do")


@lab.command("list")
def list_() -> None:
    """All labs, with their hosts and whether these answer."""
    requirements.demand_root()
    if not place.names():
        print("there is no lab: ionman lab up")
    for name in place.names():
        found = place.find(name)
        if found is None:
            print(f"{name}\thalf-made: ionman lab up {name}, or down")
            continue
        states = [f"{host} {'up' if parts.answers(found, host) else 'DOWN'}" for host in found.host_names]
        doors = [
            f"127.0.0.1:{port} -> {found.targets[door][0]}:{found.targets[door][1]}"
            for door, port in found.forwards.items()
        ]
        print("\t".join([name, ", ".join(states), *doors, *found.github.values()]))


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, metavar="[NAME] HOST [COMMAND]...")
def ssh(words: tuple[str, ...]) -> int:
    """A shell on a host, or one command."""
    found, rest = _split(words)
    return process.follow(labs.Standing(found).ssh_command(rest[0], *rest[1:]))


def _split(words: tuple[str, ...]) -> tuple[place.Lab, tuple[str, ...]]:
    """The lab and [HOST, COMMAND...]; a lab cannot be named as a host is, so the first word says which it is."""
    requirements.demand_root()
    is_lab = not place.is_host(words[0])
    if is_lab and len(words) == 1:
        raise click.UsageError(f"say which host of lab {words[0]}")
    return place.load(words[0] if is_lab else _default()), words[1:] if is_lab else words


@lab.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME] HOST")
def stop(words: tuple[str, ...]) -> None:
    """Power a host off."""
    found, (host, *_) = _split(words)
    labs.Standing(found).stop(host)
    print(f"{host} of lab {found.name} is off")


@lab.command()
@click.argument("words", nargs=-1, required=True, metavar="[NAME] HOST")
def start(words: tuple[str, ...]) -> None:
    """Boot a host that is off."""
    found, (host, *_) = _split(words)
    labs.Standing(found).start(host)
    print(f"{host} of lab {found.name} is up")


@lab.command()
@_name
def inventory(name: str) -> None:
    """The lab's Ansible inventory, as JSON."""
    requirements.demand_root()
    print(json.dumps(inventories.inventory(place.load(name), sys.executable), indent=2))
