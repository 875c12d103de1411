"""What a host's modules make of apt's and dpkg's words."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def words() -> ModuleType:
    path = Path(__file__).parents[2] / "playbooks/module_utils/ionman_words.py"
    spec = importlib.util.spec_from_file_location("ionman_words", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reason_that_dpkg_gives_is_kept(words: ModuleType) -> None:
    output = """Unpacking demo-1.1.0 (1.1.0-1) ...
dpkg: error processing archive /var/cache/apt/archives/demo.deb (--unpack):
 cannot copy extracted data for './opt/demo': failed to write (No space left on device)
Errors were encountered while processing:
 /var/cache/apt/archives/demo.deb
E: Sub-process /usr/bin/dpkg returned an error code (1)
"""
    assert words.complaints(output) == [
        "dpkg: error processing archive /var/cache/apt/archives/demo.deb (--unpack):"
        " cannot copy extracted data for './opt/demo': failed to write (No space left on device)",
        "E: Sub-process /usr/bin/dpkg returned an error code (1)",
    ]


def test_lines_are_kept_once_and_apart(words: ModuleType) -> None:
    output = "Get:1 https://host InRelease\nE: one:\nE: two\nE: two\n  W: three\n"
    assert words.complaints(output) == ["E: one:", "E: two", "W: three"]
