"""The edge of the command line: loads a verb when it is asked for and turns errors into exit statuses."""

import errno
import importlib
import signal
import sys
from typing import Any

import click

from ionman import __version__
from ionman.errors import IonmanError, NotPossible

# Verb -> module below ionman.command that defines a click command of the same name, loaded only when it is used.
VERBS = (
    *("call", "certificate", "deb", "demo", "deploy", "history", "host", "lab", "lock", "metrics", "new", "probe"),
    *("release", "rollback", "router", "scale", "status", "user"),
)


class Verbs(click.Group):
    """A group whose commands are imported when named, so that the host's command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in order."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module; None for a verb that does not exist."""
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"ionman.command.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ionman")
def ionman() -> None:
    """Take a microservice from a GitHub release to an answered call on many hosts."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; every `IonmanError` becomes a message and its exit status, Ctrl-C becomes 130."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = ionman.main(args=argv, prog_name="ionman", standalone_mode=False)
    except IonmanError as error:
        print(f"ionman: {error}", file=sys.stderr)
        sys.exit(error.status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("ionman: interrupted; run the same command again to finish", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:  # a full disk, a file that may not be read: the machine's, not a bug
        print(f"ionman: {error.filename or 'this machine'}: {error.strerror or error}", file=sys.stderr)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            print("  free some space, then run it again: that finishes it", file=sys.stderr)
        sys.exit(NotPossible.status)
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
