"""Who holds the lock now, asked from outside of any deploy."""

import json
import tempfile
from pathlib import Path
from typing import Any

from ionman import lock, process
from ionman.calls.defaults import Defaults, read
from ionman.errors import IonmanError, Late, WampError
from ionman.locks.post import ASK, GONE, Login
from ionman.plays import playbook

READING = 120.0  # s for Ansible to read an inventory

Row = dict[str, Any]


def look(access: Defaults) -> list[Row]:
    """One row for each router: {"router", "state": "free" | "held" | "unknown", "why", "by": the owner or None}."""
    account = access.account()
    login = Login(account.realm, account.user, account.password, access.ca)
    return [_look(login, router) for router in lock.order(access.routers)]


def access(inventory: Path) -> Defaults:
    """How the lock is reached according to an inventory: Ansible says, who knows its variables and its vault."""
    with tempfile.TemporaryDirectory(prefix="ionman-lock-") as folder:
        asked = playbook.command("probe", inventory, "-e", json.dumps({"folder": folder}))
        process.run(asked, env=playbook.environment({"ANSIBLE_NOCOLOR": "1"}), timeout=READING)
        return read(Path(folder) / "call.ini")


def words(row: Row) -> str:
    """One row for a reader."""
    if row["by"]:
        return f"{row['router']}: {lock.owner(row['by']).words()}"
    return f"{row['router']}: {row['state']}{', ' + row['why'] if row['why'] else ''}"


def _look(login: Login, router: str) -> Row:
    row: Row = {"router": router, "state": "unknown", "why": "", "by": None}
    try:
        client = login.connect(router)
    except IonmanError as error:
        return row | {"why": error.message}
    try:
        return row | {"state": "held", "by": client.call(lock.LOCK, deadline=ASK)}
    except Late:
        return row | {"state": "held", "why": "its holder does not answer"}
    except WampError as error:
        return row | ({"state": "free"} if error.uri == GONE else {"why": error.message})
    except IonmanError as error:
        return row | {"why": error.message}
    finally:
        client.close()
