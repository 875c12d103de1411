"""The database of people: SQLite in a file of this host, or PostgreSQL that several hosts share.

A password is kept as its scram credential only (ionman.routers.credential): enough to check it, not enough to log in.
Every change that ends sessions leaves a row in `change`, which the program of each router's host looks for.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ionman.errors import ConfigurationError, InputError, Unavailable
from ionman.user import Person

SQLITE = "sqlite"
WAIT = 10  # s for another that writes, and for a connection
KEPT = timedelta(days=30)  # for which changes are remembered
OVERLAP = 1000  # changes that are looked at again: PostgreSQL may show a number after a higher one

_tables = sql.MetaData()
_person = sql.Table(
    "person",
    _tables,
    sql.Column("realm", sql.String(255), primary_key=True),
    sql.Column("name", sql.String(128), primary_key=True),
    sql.Column("role", sql.String(64), nullable=False),
    sql.Column("disabled", sql.Boolean, nullable=False),
    sql.Column("extra", sql.Text, nullable=False),  # JSON
    sql.Column("credential", sql.Text, nullable=False),  # JSON
    sql.Column("revision", sql.BigInteger, nullable=False),  # the number of the change that made it what it is
)
_change = sql.Table(
    "change",
    _tables,
    sql.Column("number", sql.BigInteger().with_variant(sql.Integer, SQLITE), primary_key=True, autoincrement=True),
    sql.Column("realm", sql.String(255), nullable=False),
    sql.Column("name", sql.String(128), nullable=False),
    sql.Column("at", sql.DateTime(timezone=True), nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Change:
    """Somebody was changed: sessions of a lower revision than `number` are to end."""

    number: int
    realm: str
    name: str


class Database:
    """`url`: ``sqlite:////path`` or ``postgresql://user:password@host/name``. Usable from any thread.

    Raises `ConfigurationError` for another one, `Unavailable` when it cannot be reached.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self.shown = self._engine.url.render_as_string(hide_password=True)
        with self._using() as connection:
            _tables.create_all(connection)
        _give(self._engine.url)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def get(self, realm: str, name: str) -> tuple[Person, dict[str, Any]] | None:
        """A person and the credential; None where there is none."""
        with self._using() as connection:
            row = connection.execute(sql.select(_person).where(*_this(realm, name))).one_or_none()
        return (_made(row), json.loads(row.credential)) if row else None

    def all(self) -> list[Person]:
        """Everybody, by realm and name."""
        with self._using() as connection:
            rows = connection.execute(sql.select(_person).order_by(_person.c.realm, _person.c.name)).all()
        return [_made(row) for row in rows]

    def add(self, person: Person, credential: Mapping[str, Any]) -> None:
        """Add a person; `InputError` where there is one of that name."""
        row = {"realm": person.realm, "name": person.name, **_columns(person, credential)}
        try:
            with self._using() as connection:
                connection.execute(_person.insert().values({**row, "revision": _number(connection, person)}))
        except IntegrityError as error:
            remedy = "see `ionman user list`; `passwd` and `change` are for who is there"
            raise InputError(f"there is a user {person.name} in the realm {person.realm}", remedy=remedy) from error

    def change(self, person: Person, credential: Mapping[str, Any] | None = None) -> int:
        """Have what is said of a person, and another credential if there is one; the new revision."""
        with self._using() as connection:
            revision = _number(connection, person)
            said = {**_columns(person, credential), "revision": revision}
            _one(connection.execute(_person.update().where(*_this(person.realm, person.name)).values(said)), person)
            return revision

    def remove(self, person: Person) -> int:
        """Forget a person; the revision that is not there any more."""
        with self._using() as connection:
            _one(connection.execute(_person.delete().where(*_this(person.realm, person.name))), person)
            return _number(connection, person)

    def last(self) -> int:
        """The number of the last change; 0 for none."""
        with self._using() as connection:
            return int(connection.execute(sql.select(sql.func.max(_change.c.number))).scalar() or 0)

    def changes(self, after: int) -> list[Change]:
        """The changes with numbers over `after`, and some before it."""
        chosen = sql.select(_change).where(_change.c.number > after - OVERLAP).order_by(_change.c.number)
        with self._using() as connection:
            return [Change(row.number, row.realm, row.name) for row in connection.execute(chosen)]

    @contextmanager
    def _using(self) -> Iterator[sql.Connection]:
        """A transaction; what goes wrong in it is said without the password and without any value."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            why = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise Unavailable(
                f"the users' database {self.shown} cannot be used: {why[0] if why else type(error).__name__}",
                remedy="look whether it runs, and at its address and account (router_users)",
            ) from error


def _number(connection: sql.Connection, person: Person) -> int:
    """Note that somebody was changed; the number of that."""
    now = datetime.now(UTC)
    connection.execute(_change.delete().where(_change.c.at < now - KEPT))
    row = _change.insert().values(realm=person.realm, name=person.name, at=now).returning(_change.c.number)
    return int(connection.execute(row).scalar_one())


def _one(done: sql.CursorResult[Any], person: Person) -> None:
    if not done.rowcount:
        raise nobody(person.realm, person.name)


def nobody(realm: str, name: str) -> InputError:
    """That there is no such person."""
    remedy = "see `ionman user list`; users of the inventory are changed there"
    return InputError(f"there is no user {name} in the realm {realm}", remedy=remedy)


def _engine(url: str) -> sql.Engine:
    try:
        parsed = sql.make_url(url)
    except SQLAlchemyError as error:
        raise ConfigurationError("users.database is no URL", remedy="see docs/users.md") from error
    if parsed.drivername == SQLITE and parsed.database:
        return sql.create_engine(parsed, connect_args={"timeout": WAIT}, hide_parameters=True)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": WAIT}
        return sql.create_engine(parsed, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
    raise ConfigurationError(
        f"users.database: {parsed.drivername} is not offered",
        remedy="take sqlite, or postgresql://user:password@host/name",
    )


def _give(url: sql.URL) -> None:
    """Have a file that root has made belong to whom its folder belongs to: the program has to write it too."""
    if url.drivername == SQLITE and url.database and os.geteuid() == 0:
        owner = Path(url.database).parent.stat()
        os.chown(url.database, owner.st_uid, owner.st_gid)
        Path(url.database).chmod(0o600)


def _this(realm: str, name: str) -> tuple[Any, Any]:
    return _person.c.realm == realm, _person.c.name == name


def _columns(person: Person, credential: Mapping[str, Any] | None) -> dict[str, Any]:
    said = {"role": person.role, "disabled": person.disabled, "extra": json.dumps(dict(person.extra), sort_keys=True)}
    return said if credential is None else {**said, "credential": json.dumps(dict(credential), sort_keys=True)}


def _made(row: Any) -> Person:
    return Person(row.realm, row.name, row.role, bool(row.disabled), json.loads(row.extra), row.revision)
