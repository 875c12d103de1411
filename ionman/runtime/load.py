"""Loads a service's file without starting it: for the test double and for `declare`."""

import importlib.util
import sys
from pathlib import Path

from ionman.errors import ConfigurationError
from ionman.runtime.application import microservice
from ionman.runtime.modules import cause


def application(file: Path) -> microservice:
    """Execute `file` as an imported module and return its `application`; raises `ConfigurationError`."""
    file = file.resolve()
    spec = importlib.util.spec_from_file_location(f"_ionman_shell_{abs(hash(str(file))):x}", file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise ConfigurationError(f"{file} is no Python file", remedy="name the service's own file, such as demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{file} fails to import: {cause(error, file)}", remedy="correct it; `python3 FILE` shows all of it"
        ) from error
    finally:
        del sys.modules[spec.name]
    found = getattr(module, "application", None)
    if not isinstance(found, microservice):
        raise ConfigurationError(
            f"{file} has no `application` that is an ionman.microservice",
            remedy="end the file with `application = MicroService()`",
        )
    return found
