"""Where the `ionman` script begins: an interrupt while Python still imports ends it without a traceback."""

import signal
from typing import Any


def main() -> Any:
    """Run the command line; see `ionman.command.main`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ionman.command.main import main as run  # noqa: PLC0415 - after the line above, which is the point

    return run()
