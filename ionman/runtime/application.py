"""`ionman.microservice`: the class that a service's file derives from, and what making one does.

Which of three things it does depends on how the file is run:

    ./demo.py [background|stop|status]   the file is `__main__`: run the command line
    twistd -ny demo.py                   twistd executes it without a `__name__`: become the Twisted application
    imported (tests, declare)            nothing: the object knows its file and its Modules
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.application.service import MultiService, Process
from twisted.persisted.sob import Persistent
from twisted.python.components import Componentized

from ionman.errors import IonmanError
from ionman.runtime import modules


class microservice(Componentized):  # noqa: N801 - the contract's name
    """A microservice: derive from it, name the modules, and make one as `application`."""

    Modules: Sequence[str] = ()

    def __init__(self) -> None:
        super().__init__()
        members = _module_of_caller(sys._getframe(1))
        self.file = Path(members.get("__file__", "service.py")).resolve()
        self.members: Mapping[str, Any] = members
        name = members.get("__name__")
        if name == "__main__":
            _ending(self.file.name, lambda: _command(self))
        elif name is None or name == "builtins":
            _ending(self.file.name, self._become_application)

    def catalogue(self) -> modules.Catalogue:
        """Load the modules and return what they declare; raises `ConfigurationError`."""
        return modules.catalogue(self.file, self.members, self.Modules)

    def _become_application(self) -> None:
        from ionman.runtime import boot  # noqa: PLC0415 - imports the reactor, which only twistd may choose

        collection = MultiService()
        for component in (collection, Process(), Persistent(self, self.file.stem)):
            self.addComponent(component, ignoreClass=True)
        boot.prepare(self, collection)


def _module_of_caller(frame: FrameType | None) -> dict[str, Any]:
    """Return the globals of the file in which the object is made, past any __init__ between."""
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame.f_globals if frame is not None else {"__name__": ""}


def _command(application: microservice) -> None:
    from ionman.runtime import commandline  # noqa: PLC0415 - not needed under twistd

    sys.exit(commandline.main(application, sys.argv[1:], dict(os.environ)))


def _ending(name: str, work: Callable[[], object]) -> None:
    """Run `work`; an `IonmanError` becomes a message and its exit status, as it does for the `ionman` command."""
    try:
        work()
    except IonmanError as error:
        sys.stderr.write(f"{name}: {error}\n")
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted; ./{name} status tells what runs\n")
        sys.exit(130)
