"""`ionman router render|check FILE`: Crossbar's configuration from a description, and what is wrong with one."""

import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from ionman import process
from ionman.command.deploy import inventory_option
from ionman.errors import CommandFailed, ConfigurationError
from ionman.hosts.layout import Layout
from ionman.plays.run import run
from ionman.router import Problem, check, node, rights, sound
from ionman.routers.check import deep
from ionman.routers.files import ROOT, look, look_closer

CROSSBAR_SECONDS = 60.0
FILE = click.argument("file", type=click.Path(allow_dash=True, path_type=Path))


@click.group(short_help="Render or check a router's configuration.")
def router() -> None:
    """Render or check a router's configuration from its description in the inventory (docs/router.md).

    FILE is YAML or JSON, `-` is standard input: the description, or a host's desired state with a section `router`.
    """


@router.command()
@FILE
@click.option("--salt-file", type=click.Path(path_type=Path), metavar="FILE", help="The router host's salt secret.")
@click.option(
    "--rights", "only_rights", is_flag=True, help="Print what services may do instead; not read at the start."
)
def render(file: Path, salt_file: Path | None, *, only_rights: bool) -> None:
    """Print Crossbar's configuration for the description in FILE."""
    described = _read(file)
    if only_rights:
        sound(described)
        print(json.dumps(rights(described), indent=2))
        return
    if salt_file:
        salt = _bytes(salt_file)
    else:
        salt = secrets.token_bytes(32)
        print("ionman: without --salt-file the credentials are new each time", file=sys.stderr)
    print(json.dumps(node(described, salt), indent=2))


@router.command("check")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[FILE | ANSIBLE'S ARGUMENTS...]")
@inventory_option
@click.option("--files", is_flag=True, help="Look at the TLS files and the port too; for use on the router's host.")
@click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="With --files: must lead to these (PEM).")
@click.option("--crossbar", metavar="PROGRAM", help="Ask this Crossbar too  [default: crossbar, if it is in PATH].")
def check_(words: tuple[str, ...], inventory: Path | None, files: bool, ca: Path | None, crossbar: str | None) -> int:
    """Say what is wrong with the routers of an inventory, before anything lands: playbooks/check.yml.

    Each fault has its place in the inventory and what to do. Where the host can be reached, its files and its port are
    looked at too. With FILE (- is standard input) it is one router's description (docs/router.md); exit status 78 then.
    """
    if inventory is None and len(words) == 1 and (words[0] == "-" or not words[0].startswith("-")):
        _check_one(_read(Path(words[0])), ca, crossbar, files=files)
        return 0
    asked = {"check_hosts": "routers", "router_check_doubts": True}
    return run("check", inventory, ["-e", json.dumps(asked), *words])


def _check_one(described: Mapping[str, Any], ca: Path | None, crossbar: str | None, *, files: bool) -> None:
    problems = deep(described)
    if files and not check(described):
        here = look(described, ca)
        problems += here or look_closer(described, Layout().router_user or ROOT)
    if problems:
        raise ConfigurationError("\n".join([_count(problems), *(f"  {problem}" for problem in problems)]))
    program = crossbar or shutil.which("crossbar")
    if program:
        _ask_crossbar(program, described)
    looked = ["the description", *(["its files and the port"] if files else []), *(["Crossbar"] if program else [])]
    print(f"no problem found by {', '.join(looked)}")


def _count(problems: list[Problem]) -> str:
    return "1 problem:" if len(problems) == 1 else f"{len(problems)} problems:"


def _ask_crossbar(program: str, described: Mapping[str, Any]) -> None:
    """`crossbar check` of what would be rendered: in a folder that only this user reads, for it holds credentials."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.json")
        path.write_text(json.dumps(node(described, secrets.token_bytes(32))))
        try:
            process.run([program, "check", "--cbdir", folder, "--config", path], timeout=CROSSBAR_SECONDS)
        except CommandFailed as error:
            raise ConfigurationError(f"Crossbar refuses the configuration:\n{error.output.strip()}") from error


class Reader(yaml.SafeLoader):
    """YAML as Ansible writes it: `!vault` is a text that has not been opened."""


Reader.add_constructor("!vault", lambda _loader, node: str(node.value))


def _read(file: Path) -> Mapping[str, Any]:
    text = sys.stdin.read() if str(file) == "-" else _bytes(file).decode(errors="replace")
    try:
        found = yaml.load(text, Reader)  # noqa: S506 - a SafeLoader that knows one tag more
    except yaml.YAMLError as error:
        # The text is not repeated: it may hold secrets.
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ConfigurationError(f"{where}: is neither YAML nor JSON", remedy="correct the line") from error
    if isinstance(found, dict) and isinstance(found.get("router"), dict):
        found = found["router"]
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file}: holds no description of a router", remedy="see docs/router.md")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", remedy="look at its name") from error
