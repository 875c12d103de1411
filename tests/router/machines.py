"""Machines with certificates of every kind, right and wrong, and a router that lets them in."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ionman import certificate
from ionman.call import Client, connect
from ionman.certificate import Pair
from ionman.certificates import pem
from tests.crossbar import Crossbar, free_port

DAY = timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def machine(
    signer: Pair | None,
    common: str,
    alternative: Sequence[str] = (),
    *,
    usage: x509.ObjectIdentifier = CLIENT,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
) -> Pair:
    """A certificate of `common`, and of the DNS names `alternative`, by `signer`, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    issuer = pem.certificate(signer.certificate).subject if signer else name
    own = pem.private_key(signer.key, "the key") if signer else key
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if alternative:
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in alternative])
        builder = builder.add_extension(names, critical=False)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Pair(
        builder.sign(own, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, *form),
    )


def write(folder: Path, pairs: Mapping[str, Pair]) -> None:
    """Each as NAME.pem, with its key in the same file, which its owner alone may read."""
    for name, pair in pairs.items():
        path = folder / f"{name}.pem"
        path.touch(0o600)
        path.write_bytes(pair.key + pair.certificate)


AUTHORITY, STRANGER = certificate.authority("machines"), certificate.authority("stranger")
PUMP = "pump7.plant.example.org"
PAIRS = {
    "pump": machine(AUTHORITY, "anything", ["Pump7.Plant.example.org", "pump7"]),
    "renewed": machine(AUTHORITY, "something else", [PUMP]),
    "valve": machine(AUTHORITY, "valve"),
    "far": machine(AUTHORITY, "far"),
    "nobody": machine(AUTHORITY, "nobody-knows-me"),
    "nameless": machine(AUTHORITY, ""),
    "only common": machine(AUTHORITY, PUMP, ["other.example.org"]),
    "two in one": machine(AUTHORITY, f"valve, DNS:{PUMP}"),
    "star": machine(AUTHORITY, "", ["*.plant.example.org"]),
    "expired": machine(AUTHORITY, PUMP, begins=-2 * DAY, ends=-timedelta(minutes=1)),
    "early": machine(AUTHORITY, PUMP, begins=timedelta(hours=1)),
    "stranger's": machine(STRANGER, PUMP),
    "self-signed": machine(None, PUMP),
    "server's": machine(AUTHORITY, PUMP, usage=SERVER),
    "authority's twin": machine(certificate.authority("machines"), PUMP),
}
USERS = [
    {"name": "pump", "certificate": PUMP, "role": "machine"},
    {"name": "valve", "certificate": "valve", "role": "client"},
]
FAR = {
    "name": "elsewhere",
    "roles": [{"name": "machine", "permissions": [{"uri": "app.", "match": "prefix", "allow": ["call"]}]}],
    "users": [{"name": "far", "certificate": "far", "role": "machine"}],
}
RIGHTS = [{"uri": "app.pump.", "match": "prefix", "allow": ["register", "call", "publish"]}]


class Plant(Crossbar):
    """A router with a listener for machines at `machines`; their certificates are in `pairs`, a folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.machines = free_port()
        self.pairs = self.directory / "pairs"
        self.pairs.mkdir()
        write(self.pairs, PAIRS)
        self.authorities = self.directory / "machines.pem"
        self.authorities.write_bytes(AUTHORITY.certificate)
        self.description |= {"machines": {"port": self.machines, "ca": str(self.authorities)}}
        realm = self.description["realms"][0]
        realm["roles"].append({"name": "machine", "permissions": RIGHTS})
        realm["users"] += USERS
        self.description["realms"].append(FAR)

    def enter(self, pair: str, user: str = "pump", **other: Any) -> Client:
        """A client with the certificate `pair`, at the port for machines."""
        where: dict[str, Any] = {"realm": "ionman", "deadline": 10.0, "ca": self.ca} | other
        return connect([f"localhost:{self.machines}"], user=user, certificate=self.pairs / f"{pair}.pem", **where)

    def seen(self, client: Client) -> dict[str, Any]:
        """What a service sees of the caller `client`: the details of one call that it makes."""
        calls: list[Any] = []

        def answer(*_args: Any, details: Any) -> None:
            calls.append(details)

        with self.caller("myserviceusername") as service:
            service.register("app.pump.who", answer, details=True)
            client.call("app.pump.who", idempotent=True)  # also where its session is being ended
        return dict(calls[-1])
