"""`ionman probe SERVICE`: numbered calls at a fixed rate, while something is done to the service; and the verdict."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

import ionman
from ionman import process
from ionman.calls.client import Client
from ionman.calls.defaults import Defaults, read
from ionman.command.progress import tell
from ionman.errors import ConfigurationError, InputError
from ionman.probe import Limits, Verdict
from ionman.probe import check as checked
from ionman.probes import Probing
from ionman.probes.latency import percentile
from ionman.probes.words import report

FAULT = 1
EVERY = 5.0  # s between two lines of progress

_ratio = click.option(
    "--ratio", default=3.0, show_default=True, help="Allowed p99 while rolling to that before; 0: any."
)
_least = click.option("--callees", "least", default=0, help="Fewer callees than this at any moment are a fault.")


class Probe(click.Group):
    """A group whose first word may be the name of a service, which then stands for `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front of everything but a command of the group and the wish for help."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Probe)
def probe() -> None:
    """Call numbered requests at a fixed rate, and say whether each was answered, once, rightly and in time.

    `ionman probe SERVICE` is short for `ionman probe run SERVICE`. Exit status: 0 clean, 1 with a fault.
    """


@probe.command()
@click.argument("service")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Who calls where, as in docs/call.md.")
@click.option("--rate", default=200.0, show_default=True, help="Calls a second in the open loop; 0 for none.")
@click.option("--callers", default=0, show_default=True, help="Callers in a closed loop beside it.")
@click.option("--seconds", type=float, help="How long, without a command  [default: until Ctrl-C].")
@click.option("--around", default=5.0, show_default=True, help="Seconds of calls before and after a command.")
@click.option("--history", type=click.Path(path_type=Path), help="Where to write what became of each call.")
@click.option("--uri", default="", help="Call this procedure instead of the service's probe.")
@click.option("--argv", metavar="JSON", help='Its parameter; "{n}" in it is the number of the call.')
@click.option("--answer", metavar="JSON", help="What it must answer: every key given here, and with this value.")
@click.option("--idempotent", is_flag=True, help="Calls may be made again when it is not known whether they ran.")
@click.option("--deadline", default=10.0, show_default=True, help="Seconds for each call.")
@_ratio
@_least
def run(  # noqa: PLR0913, PLR0917 - click hands over each option
    service: str,
    command: tuple[str, ...],
    config: Path | None,
    seconds: float | None,
    around: float,
    history: Path | None,
    argv: str | None,
    answer: str | None,
    ratio: float,
    least: int,
    **how: Any,
) -> int:
    """Call SERVICE while COMMAND runs (after `--`) and a while before and after; its exit status is passed on.

    Whoever calls needs the role ops. A command that ends with another status than 0 may put back what it has changed.
    """
    if uri := how["uri"]:
        how |= {"argv": _json("--argv", argv), "answer": _json("--answer", answer)}
    elif argv or answer:
        raise InputError("--argv and --answer belong to --uri", remedy="name the procedure with --uri")
    if not how["rate"] and not how["callers"]:
        raise InputError("nobody would call", remedy="give a --rate or some --callers")
    file = history or _standard(uri or service)
    probing = Probing(_connect(config), service, history=file, **how)
    with probing:
        status = _while(probing, command, around) if command else _until(probing, seconds)
    fault = _tell(probing.verdict(Limits(ratio, least)), file)
    return status or fault


@probe.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@_ratio
@_least
def check(file: Path, as_json: bool, ratio: float, least: int) -> int:
    """Read the history in FILE and say what is wrong with it."""
    with file.open(encoding="utf-8") as text:
        verdict = checked(text, Limits(ratio, least))
    print(json.dumps(verdict.document()) if as_json else report(verdict))
    return 0 if verdict.clean else FAULT


def _tell(verdict: Verdict, file: Path) -> int:
    tell(report(verdict))
    tell(f"  history   {file}")
    return 0 if verdict.clean else FAULT


def _while(probing: Probing, command: tuple[str, ...], around: float) -> int:
    """Run `command` with this terminal as its own; an interrupt is its to answer. Returns its exit status."""
    _watch(probing, time.monotonic() + around, lambda: False)
    probing.mark("rolling")
    child = process.start(command, stdin=None, stdout=None, stderr=None, new_session=False)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _watch(probing, None, lambda: child.poll() is not None)
    finally:
        signal.signal(signal.SIGINT, before)
    status = child.returncode
    probing.mark("after", status)
    _watch(probing, time.monotonic() + around, lambda: False)
    return status if status >= 0 else 128 - status


def _until(probing: Probing, seconds: float | None) -> int:
    with suppress(KeyboardInterrupt):
        _watch(probing, None if seconds is None else time.monotonic() + seconds, lambda: False)
    return 0


def _watch(probing: Probing, ends: float | None, over: Callable[[], bool]) -> None:
    """Wait for the time or for `over`, with a line of progress now and then."""
    shown = time.monotonic()
    while not over() and (ends is None or time.monotonic() < ends):
        time.sleep(0.05 if ends is None else min(0.05, max(0.0, ends - time.monotonic())))
        if time.monotonic() - shown >= EVERY:
            shown += EVERY
            tell(progress(probing))


def progress(probing: Probing) -> str:
    """One line: how it stands, and how long the calls since the last line took."""
    took = sorted(probing.recent.popleft() for _ in range(len(probing.recent)))
    record = probing.record
    p99 = percentile(took, 99)
    slow = "" if p99 is None else f", p99 {p99:.1f} ms"
    failed = record.recorded - record.answered
    return f"probe: {record.at():.0f} s, {record.sent:,} sent, {record.answered:,} answered, {failed:,} failed{slow}"


def _connect(config: Path | None) -> Callable[[], Client]:
    named = config or os.environ.get("IONMAN_CALL")
    if not named:
        remedy = "give --config, or set IONMAN_CALL: docs/call.md shows the file"
        raise ConfigurationError("it is not said who calls and where", remedy=remedy)
    found: Defaults = read(Path(named))
    account = found.account()

    def connect() -> Client:
        return ionman.connect(
            found.routers,
            realm=account.realm,
            user=account.user,
            password=account.password,
            key=account.key,
            ca=found.ca,
        )

    return connect


def _json(option: str, text: str | None) -> Any:
    if text is None:
        raise InputError(f"{option} is missing", remedy="--uri takes --argv and --answer with it")
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{option} is not JSON: {error}", remedy="quote it for the shell") from error


def _standard(name: str) -> Path:
    """The file of the latest probe of `name`, among the user's own state (XDG base directory specification)."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "ionman" / "probe" / f"{name.replace('/', '_')}.jsonl"
