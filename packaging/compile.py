"""Byte-compile everything below a folder, the same way every time: `compile.py SLICES FOLDER`.

What marshal writes depends on which objects the process saw before. So the files are cut into a fixed number of slices
by their order, and each slice is compiled by a fresh process with a fixed hash seed. The byte-code is never checked
against its source again (PEP 552, unchecked): the files belong to the package and do not change.
A file of an application that does not compile ends it with 65; one of a library is left as it is: nothing imports it.
"""

import py_compile
import subprocess  # noqa: TID251 - runs in the clean root, where ionman is not
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def compile_slice(files: list[str]) -> int:
    """Compile `files` and return the exit status."""
    status = 0
    for file in files:
        try:
            py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        except py_compile.PyCompileError as error:
            if "/venv/" not in file:
                sys.stderr.write(f"{error.msg}\n")
                status = 65
        except (UnicodeDecodeError, ValueError):  # no Python text, or NUL in it: as above
            if "/venv/" not in file:
                sys.stderr.write(f"{file}: no Python source\n")
                status = 65
    return status


def main() -> int:
    """Start one process for each slice."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    files = sorted(str(path) for path in folder.rglob("*.py") if path.is_file() and not path.is_symlink())
    with ThreadPoolExecutor(count) as pool:
        return max(pool.map(compile_apart, [files[number::count] for number in range(count)]))


def compile_apart(files: list[str]) -> int:
    """Compile `files` in a process of their own and return its exit status."""
    command = [sys.executable, __file__, "--slice"]
    return subprocess.run(command, input="\n".join(files), text=True, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    if sys.argv[1] == "--slice":
        sys.exit(compile_slice(sys.stdin.read().splitlines()))
    sys.exit(main())
