"""`ionman call URI [JSON]`: one call, its answer as JSON, and an exit status that tells how it went."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from ionman.call import Client
from ionman.calls.defaults import Defaults, read, secret_file
from ionman.calls.identity import identity
from ionman.errors import ConfigurationError, InputError, WampError
from ionman.runtime.values import ANY, problem

FAIL = 1
SECONDS = click.FloatRange(0, 86400, min_open=True)
HERE = Path("ionman", "call.ini")

HELP = """Call the procedure URI with the parameter JSON, and print what it answers as JSON.

Where, who and whom to trust come from the options, then from a file with the keys of a service's config.ini (routers,
realm, user, password or key, ca, call_timeout): --config, else the one that IONMAN_CALL names, else
~/.config/ionman/call.ini. The password is never an option: it comes from --password-file, from IONMAN_PASSWORD, from
the file, or is asked for on a terminal. A machine has --certificate instead, for the router's port for machines.

\b
Exit status:
  0  answered, and not with the status FAIL     70  answered with a WAMP error
  1  answered with the status FAIL              75  the deadline passed
  65 JSON is not JSON                           77  the login or the call was refused
  69 no router can be reached                   78  the configuration is wrong
"""


@click.command(help=HELP, short_help="Make one call and print its answer.")
@click.argument("uri")
@click.argument("argv", metavar="[JSON]", required=False)
@click.option(
    "--router", "routers", multiple=True, metavar="HOST:PORT", help="Ask this router; more are asked in turn."
)
@click.option("--realm", metavar="NAME", help="The realm  [default: ionman].")
@click.option("--user", metavar="NAME", help="Who calls.")
@click.option("--password-file", type=click.Path(path_type=Path), metavar="FILE", help="A file with the password.")
@click.option("--key-file", type=click.Path(path_type=Path), metavar="FILE", help="An Ed25519 private key, in hex.")
@click.option("--certificate", type=click.Path(path_type=Path), metavar="FILE", help="This machine's certificate, PEM.")
@click.option(
    "--certificate-key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, PEM  [default: in the same]."
)
@click.option("--ca", type=click.Path(path_type=Path), metavar="FILE", help="The authorities to trust, PEM.")
@click.option(
    "--deadline",
    type=SECONDS,
    metavar="SECONDS",
    help="For each call, with all it takes  [default: 30].",
)
@click.option("--count", type=click.IntRange(1), default=1, metavar="N", help="Call N times, one answer a line.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="The file with the defaults.")
def call(uri: str, argv: str | None, count: int, config: Path | None, **options: Any) -> int:
    """Make the call and return the exit status: 0, or 1 when an answer's status was FAIL."""
    parameters = () if argv is None else (_json(argv),)
    defaults = _defaults(config, options)
    account = defaults.account()
    status, ends = 0, time.monotonic() + defaults.deadline  # the first call's deadline is for joining too
    with Client(defaults.routers, account, ca=defaults.ca, deadline=defaults.deadline) as client:
        for _ in range(count):
            status = max(status, _once(client, uri, parameters, max(0.01, ends - time.monotonic())))
            ends = time.monotonic() + defaults.deadline
    return status


def _once(client: Client, uri: str, parameters: tuple[Any, ...], deadline: float) -> int:
    answer = client.call(uri, *parameters, deadline=deadline)
    try:
        text = json.dumps(answer, ensure_ascii=sys.stdout.encoding.lower() != "utf-8", allow_nan=False)
    except (TypeError, ValueError) as error:
        raise WampError(uri, f"answered with something that JSON cannot hold ({error})") from error
    print(text, flush=True)
    return FAIL if isinstance(answer, dict) and answer.get("status") == "FAIL" else 0


def _json(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        remedy = """quote it for the shell, for example '{"name": "value"}'"""
        raise InputError(f"the parameter is not JSON: {error}", remedy=remedy) from error
    if wrong := problem(value, "the parameter", ANY):
        raise InputError(wrong, remedy="send what a method can take")
    return value


def _defaults(config: Path | None, options: dict[str, Any]) -> Defaults:
    password_file, key_file = options.pop("password_file"), options.pop("key_file")
    own = identity(options.pop("certificate"), options.pop("certificate_key"))
    if own and (password_file or key_file):
        raise ConfigurationError("a machine with a certificate has no other secret", remedy="give one of them")
    found = (read(path) if (path := _config(config)) else Defaults()).override(options | {"certificate": own})
    if own:
        return found
    if key_file:
        return found.override({"key": secret_file(key_file)})
    password = secret_file(password_file) if password_file else os.environ.get("IONMAN_PASSWORD")
    found = found.override({"password": password})
    return found if found.password or found.key or not found.user else found.override({"password": _ask(found.user)})


def _config(given: Path | None) -> Path | None:
    if given:
        return given
    if named := os.environ.get("IONMAN_CALL"):
        return Path(named)
    standard = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / HERE
    return standard if standard.exists() else None


def _ask(user: str) -> str:
    if not sys.stdin.isatty():
        remedy = "set IONMAN_PASSWORD, give --password-file, or write it into the configuration"
        raise ConfigurationError(f"there is no password for {user}", remedy=remedy)
    password: str = click.prompt(f"Password of {user}", hide_input=True, err=True)
    return password
