"""`ionman user`: the people who may log in at this host's router and are not in the inventory."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from ionman.command.host import layout_of
from ionman.errors import InputError
from ionman.user import fields
from ionman.users.acting import Desk, table
from ionman.users.database import Database
from ionman.users.place import Place

_root = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default=Path("/"), help="Another root than /."
)
_realm = click.option("--realm", default="", metavar="NAME", help="The realm  [default: the only one].")
_name = click.argument("name")
_fields = click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")


@click.group()
def user() -> None:
    """Who may log in at this host's router beside the users of the inventory (docs/users.md).

    Passwords are asked for, or read from standard input, one line; they are kept as scram credentials only. Whatever
    changes somebody ends the sessions that are there: at once on this host, within a second on others with the same
    database.
    """


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@_root
def list_(root: Path, as_json: bool) -> None:
    """Say who there is."""
    with _desk(root) as desk:
        people = desk.database.all()
    print(json.dumps([asdict(person) for person in people]) if as_json else "\n".join(table(people)))


@user.command()
@_name
@_fields
@click.option("--role", required=True, help="One of the realm's roles, or ops.")
@_realm
@_root
def add(name: str, pairs: tuple[str, ...], role: str, realm: str, root: Path) -> None:
    """Let NAME log in with a ROLE. KEY=VALUE: fields that services get by getSession."""
    with _desk(root) as desk:
        person = desk.settings.person(realm, name, role, fields(pairs))
        print(desk.add(person, _password()))


@user.command()
@_name
@_realm
@_root
def passwd(name: str, realm: str, root: Path) -> None:
    """Give NAME another password."""
    with _desk(root) as desk:
        print(desk.passwd(realm, name, _password()))


@user.command()
@_name
@_fields
@click.option("--role", default="", help="Another role.")
@_realm
@_root
def change(name: str, pairs: tuple[str, ...], role: str, realm: str, root: Path) -> None:
    """Give NAME another role or fields; KEY= takes a field out."""
    if not role and not pairs:
        raise InputError("nothing was said that could be changed", remedy="say --role ROLE or KEY=VALUE")
    with _desk(root) as desk:
        print(desk.change(realm, name, role, fields(pairs)))


def _one(verb: str, about: str, act: Callable[[Desk, str, str], str]) -> None:
    """A verb that takes a name and nothing else."""

    @user.command(verb, help=about)
    @_name
    @_realm
    @_root
    def command(name: str, realm: str, root: Path) -> None:
        with _desk(root) as desk:
            print(act(desk, realm, name))


_one("disable", "Keep NAME out, and end its sessions.", lambda desk, realm, n: desk.switch(realm, n, disabled=True))
_one("enable", "Let NAME in again.", lambda desk, realm, n: desk.switch(realm, n, disabled=False))
_one("remove", "Forget NAME, and end its sessions.", lambda desk, realm, n: desk.remove(realm, n))


@contextlib.contextmanager
def _desk(root: Path) -> Iterator[Desk]:
    place = Place(layout_of(root))
    settings = place.read()
    database = Database(settings.database)
    try:
        yield Desk(place.layout, settings, database)
    finally:
        database.close()


def _password() -> str:
    """Typed twice, or one line of standard input; never an argument, which every process may see."""
    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
        return typed
    line = sys.stdin.readline()
    if not line:
        raise InputError("there is no password on standard input", remedy="type it, or send one line")
    return line.removesuffix("\n")
