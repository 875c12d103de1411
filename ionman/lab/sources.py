"""Debian's own package sources, as this machine has them (sources.list(5)): no mirror is named anywhere else."""

import re
from pathlib import Path

from ionman.errors import NotPossible

APT = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")
_SIGNED = re.compile(r"signed-by=(\S+)", re.IGNORECASE)


def lines(suite: str, apt: Path = APT) -> list[str]:
    """`deb` lines for mmdebstrap: the suite, its updates and its security updates, component main.

    A third party's source is never taken: the suite must be Debian's by name, have `main`, and be signed by Debian's
    keyring, which is also what each line demands. Raises `NotPossible` when the machine has none.
    """
    wanted = [suite, f"{suite}-updates", f"{suite}-security"]
    found = []
    for path in sorted([apt / "sources.list", *(apt / "sources.list.d").glob("*")]):
        if path.suffix == ".sources":
            found += deb822(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            found += one_line(path.read_text())
    chosen = [
        f"deb [signed-by={KEYRING}] {uri} {name} main"
        for name in wanted
        for uri, named, components, key in found
        if named == name and "main" in components and _is_debians(key)
    ]
    if not any(f" {suite} main" in line for line in chosen):
        raise NotPossible(
            f"{apt} names no source of Debian's {suite}",
            remedy=f"add one for {suite}, component main, signed by {KEYRING}",
        )
    return list(dict.fromkeys(chosen))


def _is_debians(key: str) -> bool:
    return not key or Path(key).name.startswith("debian-archive-")


Source = tuple[str, str, list[str], str]


def one_line(text: str) -> list[Source]:
    """(URI, suite, components, keyring) of each `deb` line."""
    found = []
    for line in text.splitlines():
        if match := _ONE_LINE.fullmatch(line.partition("#")[0].strip()):
            key = _SIGNED.search(match["options"] or "")
            found.append((match["uri"], match["suite"], match["components"].split(), key[1] if key else ""))
    return found


def deb822(text: str) -> list[Source]:
    """(URI, suite, components, keyring) of each enabled binary stanza, one for each URI and suite."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                key = fields.get("signed-by", "").strip()
                found.append((uri, suite, fields.get("components", "").split(), key.partition("\n")[0]))
    return found


def _fields(stanza: str) -> dict[str, str]:
    """Lower-case field name -> value, continuation lines joined by newlines, comments left out."""
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields
