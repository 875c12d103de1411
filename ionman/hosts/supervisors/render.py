"""The files of a program's folder, made from the templates."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import jinja2

from ionman.hosts.layout import Layout
from ionman.hosts.supervisors.program import LONGEST, PRIVATE, PRIVATE_OPTIONS, QUICK, Program

_ESCAPES = {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\t": "\\t"}


def word(value: object) -> str:
    """`value` as one word of a unit's list, systemd.syntax(7): specifiers and quotes mean nothing in it."""
    escaped = re.sub(r'[\\"%\n\t]', lambda match: _ESCAPES[match[0]], str(value))
    return f'"{escaped}"'


def command(value: object) -> str:
    """`value` as one word of a unit's command line, systemd.service(5): no variable is put in."""
    return word(value).replace("$", "$$")


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("ionman.hosts"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - shell and units, not HTML; every value goes through a quoting filter
)
_templates.filters["quote"] = lambda value: shlex.quote(str(value))
_templates.filters["word"] = word
_templates.filters["command"] = command
_templates.filters["literal"] = lambda value: str(value).replace("%", "%%")


def values(layout: Layout, program: Program) -> dict[str, Any]:
    """What every template may name."""
    return {
        **vars(program),
        "program": program.name,
        "place": layout.program(program.name),
        "writable": (*program.writable, layout.runs / program.name),
        "run_dir": layout.runs / program.name,
        "log_dir": layout.logs / program.name,
        "log_user": layout.log_user,
        "python": layout.python,
        "relay": layout.program(program.name) / "log/relay.py",
        "private": [folder for folder in PRIVATE if not layout.root.is_relative_to(folder)],
        "private_options": PRIVATE_OPTIONS,
        "quick": QUICK,
        "longest": LONGEST,
    }


def render(template: str, named: Mapping[str, Any]) -> str:
    """The text of one file."""
    return _templates.get_template(template).render(named)
