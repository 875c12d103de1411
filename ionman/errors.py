"""The exception tree, drawn once, and the exit status each branch ends a command with.

Statuses follow sysexits.h(3) where it has a word for it, so that a supervisor or a script can tell them apart::

    IonmanError                  70  EX_SOFTWARE
    |-- ConfigurationError       78  EX_CONFIG       a file, key or value of the user is wrong
    |-- InputError               65  EX_DATAERR      what was handed in (JSON, digest, release, state) is wrong
    |-- NotPossible              71  EX_OSERR        this machine cannot do it (not root, no namespaces, tool missing)
    |-- Refused                  77  EX_NOPERM       authentication or authorisation was refused
    |-- Unavailable              69  EX_UNAVAILABLE  router, repository, host or API cannot be reached
    |-- Late                     75  EX_TEMPFAIL     a deadline passed
    |-- WampError                70  EX_SOFTWARE     the call was answered with a WAMP error
    `-- CommandFailed            70  EX_SOFTWARE     a process that was started ended with another status than 0
"""


class IonmanError(Exception):
    """What failed, where, and what to do next; `status` is the exit status of the command that ends with it."""

    status = 70

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message


class ConfigurationError(IonmanError):
    """A file, key or value that the user wrote cannot be used; nothing was changed."""

    status = 78


class InputError(IonmanError):
    """What was handed in (JSON, a digest, a release, a desired state) cannot be used; nothing was changed."""

    status = 65


class NotPossible(IonmanError):  # noqa: N818 - the name says what it is
    """This machine cannot do it: not root, no namespaces, a tool that is missing."""

    status = 71


class Refused(IonmanError):  # noqa: N818
    """Authentication or authorisation was refused."""

    status = 77


class Unavailable(IonmanError):  # noqa: N818
    """A router, repository, host or API cannot be reached."""

    status = 69


class Late(IonmanError):  # noqa: N818
    """A deadline passed."""

    status = 75


class WampError(IonmanError):
    """A call was answered with a WAMP error; `uri` is its error URI."""

    def __init__(self, uri: str, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{uri}: {message}" if message else uri, remedy=remedy)
        self.uri = uri


class CommandFailed(IonmanError):  # noqa: N818
    """A process that was started ended with a status other than 0."""

    def __init__(self, command: str, returncode: int, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(f"{command} ended with status {returncode}" + (f":\n{tail}" if tail else ""))
        self.returncode = returncode
        self.output = output
