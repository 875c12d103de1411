"""Certificates that a host renews by itself: looks which are due, obtains them, lands them, remembers how it went."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ionman import certificate
from ionman.certificates.alarm import Outcome, alarms
from ionman.certificates.order import Obtained, Order, read
from ionman.certificates.pem import blocks
from ionman.errors import ConfigurationError, IonmanError, NotPossible
from ionman.files import folder, write
from ionman.process import run

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where it lies, below `root`: orders, certificates, and what is remembered."""

    root: Path = Path("/")

    @property
    def orders(self) -> Path:
        """NAME.json for each certificate that this host renews."""
        return self.root / "etc/ionman/acme"

    @property
    def leaves(self) -> Path:
        """NAME.pem, NAME.key, NAME.chain.pem."""
        return self.root / "etc/ionman/tls"

    @property
    def memory(self) -> Path:
        """Accounts' keys, and NAME.json: how the last try ended."""
        return self.root / "var/lib/ionman/certificate"

    def names(self) -> list[str]:
        """The names of the orders."""
        return sorted(path.stem for path in self.orders.glob("*.json"))

    def order(self, name: str) -> Order:
        """The order `name`; raises `ConfigurationError`."""
        path = self.orders / f"{name}.json"
        try:
            return read(path.read_text(), str(path))
        except OSError as error:
            remedy = "name one of these: " + (", ".join(self.names()) or "there is none; set certificate_acme")
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}", remedy=remedy) from error


def renew(place: Place, names: list[str], say: Say, now: datetime | None = None) -> None:
    """Renew what is due of `names`; each is tried, and the first that fails is raised when all have been."""
    failed: IonmanError | None = None
    moment = now or datetime.now(UTC)
    for name in names:
        try:
            message = _one(place, place.order(name), say, moment)
        except IonmanError as error:
            failed = failed or error
            _remember(place, name, Outcome(moment, False, str(error).replace("\n", "; ")))
            say(f"certificate {name}: {error.message}")
        else:
            _remember(place, name, Outcome(moment, True, message))
            say(f"certificate {name}: {message}")
    if failed is not None:
        raise failed


def _one(place: Place, order: Order, say: Say, now: datetime) -> str:
    why = _due(place, order, now)
    if not why:
        leaf = (place.leaves / f"{order.name}.pem").read_bytes()
        return f"kept until {_end(leaf):%F}"
    say(f"certificate {order.name}: asking {order.directory}, as it {why}")
    made = _obtain(place, order)
    _land(place, order, made)
    if order.reload:
        run(["systemctl", "reload-or-restart", order.reload], timeout=120)
    return f"renewed until {_end(made.certificate):%F}"


def _obtain(place: Place, order: Order) -> Obtained:
    try:
        from ionman.certificates import acme  # noqa: PLC0415 - a host that renews nothing has no need of it
    except ImportError as error:
        raise NotPossible(f"ACME is not possible here: {error}", remedy="install the package ionman anew") from error
    folder(place.memory, mode=0o700)
    return acme.obtain(order, place.memory / "account.key")


def _due(place: Place, order: Order, now: datetime) -> str:
    """Why it is to be made anew; empty when what is there is good."""
    path = place.leaves / order.name
    try:
        leaf, key = Path(f"{path}.pem").read_bytes(), Path(f"{path}.key").read_bytes()
        chain = Path(f"{path}.chain.pem").read_bytes()
    except FileNotFoundError:
        return "is not there yet"
    first = (blocks(leaf) or [leaf])[0]
    problems = certificate.verify(first, key, chain=blocks(chain)[:1], now=now)
    if problems and "expired" not in problems[0]:
        return f"is broken ({problems[0]})"
    return certificate.needs_renewal(first, order.names, days=order.renew_days, now=now)


def _land(place: Place, order: Order, made: Obtained) -> None:
    """The leaf last: until it is there, whoever looks sees a key that is not its own, and keeps the old pair."""
    folder(place.leaves)
    path = place.leaves / order.name
    root = order.group == "root"
    write(Path(f"{path}.key"), made.key, mode=0o600 if root else 0o640, group=None if root else order.group)
    write(Path(f"{path}.chain.pem"), made.chain)
    write(Path(f"{path}.pem"), made.certificate + (made.chain if order.bundle else b""))


def _end(leaf: bytes) -> datetime:
    return certificate.expiry(blocks(leaf)[0])


def _remember(place: Place, name: str, outcome: Outcome) -> None:
    folder(place.memory, mode=0o700)
    document = {"tried": outcome.tried.isoformat(), "good": outcome.good, "message": outcome.message}
    write(place.memory / f"{name}.json", json.dumps(document) + "\n", mode=0o600)


def outcomes(place: Place) -> Mapping[str, Outcome]:
    """How the last tries ended, by name."""
    return dict(_outcomes(place))


def _outcomes(place: Place) -> Iterator[tuple[str, Outcome]]:
    for path in place.memory.glob("*.json"):
        found = json.loads(path.read_text())
        yield path.stem, Outcome(datetime.fromisoformat(found["tried"]), found["good"], found["message"])


def alarming(place: Place, now: datetime | None = None) -> list[str]:
    """What has to be told of the certificates of this host."""
    leaves = {path.stem: path.read_bytes() for path in place.leaves.glob("*.pem") if not path.stem.endswith(".chain")}
    return alarms(leaves, frozenset(place.names()), outcomes(place), now or datetime.now(UTC))
