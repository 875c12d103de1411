"""The folder of the controller that keeps an own authority, and its change for a new one in three steps.

authority/   the pair that signs (the key: 0600)          hosts/<host>/<name>.pem, .key   the leaves
next/        the pair that will: trusted, not used yet    hosts/<host>/landed.json        what that host has of it
former/      the pair that did: trusted until it is over  ca.pem                          what peers trust
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ionman.certificate import Pair, authority, expiry, fingerprint, verify
from ionman.certificates.pem import blocks
from ionman.errors import ConfigurationError, InputError
from ionman.files import write

PLAYBOOK = "ansible-playbook playbooks/certificate.yml"


@dataclass(frozen=True)
class Store:
    """The folder `path`; who writes holds its lock."""

    path: Path

    @property
    def bundle(self) -> bytes:
        """What peers trust now, PEM; empty before anything was made."""
        place = self.path / "ca.pem"
        return place.read_bytes() if place.exists() else b""

    def pair(self, which: str) -> Pair | None:
        """The pair in `authority`, `next` or `former`."""
        place = self.path / which
        if which == "authority" and not place.exists() and (self.path / "former").exists():
            place = self.path / "next"  # a switch was killed in the middle: it counts
        if not place.exists():
            return None
        return Pair(_read(place / "authority.pem"), _read(place / "authority.key"))

    def make(self, which: str = "authority") -> Pair:
        """A new pair, in a folder that is then renamed, so that it is whole."""
        made, place, new = authority(), self.path / which, self.path / f"{which}.new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        write(new / "authority.pem", made.certificate)
        write(new / "authority.key", made.key, mode=0o600)
        new.rename(place)
        return made

    def trusted(self, signer: Pair, given: bytes = b"") -> bytes:
        """What peers are to trust: the authorities of this folder, what was handed in before, and what is `given`."""
        others = [pair.certificate for which in ("next", "former") if (pair := self.pair(which))]
        found = [*blocks(signer.certificate), *(one for other in others for one in blocks(other))]
        return b"".join(dict.fromkeys([*found, *blocks(self.bundle), *blocks(given)]))

    # --- what hosts have ----------------------------------------------------------------------------------------

    def landed(self, host: str, ca: bytes, name: str, leaf: bytes) -> None:
        """Remember that `host` trusts `ca` now, and has `leaf` under `name` (empty: none)."""
        place = self.path / "hosts" / host
        place.mkdir(parents=True, exist_ok=True)
        document = self._landed(host)
        document["trusts"] = [fingerprint(one) for one in blocks(ca)]
        if name:
            document["leaves"] = {**document["leaves"], name: fingerprint(blocks(leaf)[0])}
        text = json.dumps(document, indent=1, sort_keys=True) + "\n"
        if not (place / "landed.json").exists() or (place / "landed.json").read_text() != text:
            write(place / "landed.json", text)

    def _landed(self, host: str) -> dict[str, Any]:
        place = self.path / "hosts" / host / "landed.json"
        found: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {"trusts": [], "leaves": {}}
        return found

    def _hosts(self) -> list[str]:
        return sorted(path.name for path in self.path.glob("hosts/*") if path.is_dir())

    # --- the change ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Make the next authority and trust it; nothing is signed by it yet."""
        signer = self._signer()
        for which in ("next", "former"):
            if self.pair(which):
                raise InputError("a change of the authority is under way", remedy="ionman certificate show says where")
        self.make("next")
        write(self.path / "ca.pem", self.trusted(signer))

    def switch(self) -> None:
        """Sign by the next authority from now on; refused while a host does not trust it."""
        coming = self.pair("next")
        if coming is None:
            raise InputError("there is no next authority", remedy="ionman certificate change begin makes it")
        behind = self._behind(coming)
        if behind or not self._hosts():
            who = ", ".join(behind) or "no host"
            what = f"{who}: not known to trust the next authority" if behind else "no host trusts the next authority"
            remedy = f"run {PLAYBOOK} for all hosts first; of a host that is no more, remove {self.path}/hosts/HOST"
            raise InputError(what, remedy=remedy)
        if (self.path / "authority").exists():
            (self.path / "authority").rename(self.path / "former")
        (self.path / "next").rename(self.path / "authority")

    def _behind(self, coming: Pair) -> list[str]:
        wanted = fingerprint(coming.certificate)
        return [host for host in self._hosts() if wanted not in self._landed(host)["trusts"]]

    def finish(self) -> None:
        """Trust the former authority no longer; refused while a host has a leaf that it signed."""
        former = self.pair("former")
        if former is None or not (self.path / "authority").exists():
            raise InputError("there is no former authority to drop", remedy="ionman certificate show says what is")
        late = [*self._late()]
        if late:
            remedy = f"run {PLAYBOOK} for all hosts first; of a host that is no more, remove {self.path}/hosts/HOST"
            raise InputError(f"not renewed yet: {', '.join(late)}", remedy=remedy)
        kept = [one for one in blocks(self.bundle) if fingerprint(one) != fingerprint(former.certificate)]
        write(self.path / "ca.pem", b"".join(kept))
        shutil.rmtree(self.path / "former")

    def _late(self) -> Iterator[str]:
        signer = self._signer()
        for host in self._hosts():
            for path in sorted((self.path / "hosts" / host).glob("*.pem")):
                leaf, key = path.read_bytes(), path.with_suffix(".key").read_bytes()
                there = self._landed(host)["leaves"].get(path.stem) == fingerprint(leaf)
                if not there or verify(leaf, key, ca=signer.certificate):
                    yield f"{path.stem} of {host}"

    def _signer(self) -> Pair:
        signer = self.pair("authority")
        if signer is None:
            remedy = "name the folder certificate_dir; a first deploy makes its authority"
            raise ConfigurationError(f"{self.path} has no authority", remedy=remedy)
        return signer

    # --- how it is ----------------------------------------------------------------------------------------------

    def story(self, now: datetime | None = None) -> list[str]:
        """Lines: the authorities, the leaves with their days, and what is to be done next."""
        moment = now or datetime.now(UTC)
        lines = []
        for which, words in (("authority", "signs"), ("next", "will sign"), ("former", "signed before")):
            if pair := self.pair(which):
                lines.append(f"{words:14}{fingerprint(pair.certificate)[:23]}  until {expiry(pair.certificate):%F}")
        for path in sorted(self.path.glob("hosts/*/*.pem")):
            days = (expiry(path.read_bytes()) - moment).days
            lines.append(f"{'leaf':14}{path.stem} of {path.parent.name}: {days} days left")
        return [*lines, *self._next()]

    def _next(self) -> Iterator[str]:
        coming = self.pair("next")
        if coming and (self.path / "authority").exists():
            behind = self._behind(coming)
            yield f"next: {PLAYBOOK}" if behind else "next: give ca.pem to clients elsewhere, then `change switch`"
        elif self.pair("former"):
            yield f"next: {PLAYBOOK}" if [*self._late()] else "next: `change finish`, then deploy ca.pem once more"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
        raise ConfigurationError(why, remedy="correct the path or its mode") from error
