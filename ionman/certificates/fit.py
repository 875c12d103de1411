"""Whether a certificate, its key, its chain and the authorities of those who connect fit together, and are in date."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509

from ionman.certificates import pem
from ionman.errors import ConfigurationError


def verify(  # noqa: PLR0913 - a certificate's fit has this many sides
    certificate: bytes,
    key: bytes,
    *,
    chain: Sequence[bytes] = (),
    ca: bytes | None = None,
    wanted: Sequence[str] = (),
    now: datetime | None = None,
) -> list[str]:
    """What is wrong with serving `certificate` with `key` and `chain`, each with the remedy; empty when nothing is.

    `chain` holds the certificates between the leaf and the authority, the leaf's signer first. `ca`, one PEM or a
    bundle, is what the peers trust: without it the last link is not looked at. `wanted` are names and addresses.
    """
    try:
        found = pem.certificate(certificate)
        between = [pem.certificate(one, f"chain[{number}]") for number, one in enumerate(chain)]
        roots = pem.bundle(ca, "the CA file") if ca is not None else None
        fits = pem.belongs(pem.private_key(key, "the key"), found)
    except ConfigurationError as error:
        return [f"{error.message}: {error.remedy}"]
    moment = now or datetime.now(UTC)
    problems = [] if fits else ["the key is not the certificate's: hand in the pair that belongs together"]
    problems += _leaf(found, wanted)
    problems += [text for one in (found, *between) for text in _date(one, moment)]
    return [*problems, *_chain(found, between, roots, moment)]


def _leaf(found: x509.Certificate, wanted: Sequence[str]) -> Iterator[str]:
    if pem.is_authority(found):
        yield "the certificate is an authority's, not a server's: hand in the leaf"
    if not pem.is_server(found):
        yield "the certificate is not for servers (extended key usage): have one made with serverAuth"
    if missing := pem.missing(found, list(wanted)):
        have = ", ".join(pem.names(found)) or "no name"
        yield f"the certificate stands for {have}, not for {', '.join(missing)}: have it made for all of them"


def _chain(
    found: x509.Certificate,
    between: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate] | None,
    moment: datetime,
) -> Iterator[str]:
    link = found
    for number, signer in enumerate(between):
        name = f"chain[{number}] ({pem.subject(signer)})"
        if not pem.is_authority(signer):
            yield f"{name} is no authority's certificate: take it out of the chain"
            return
        if not pem.signed_by(link, signer):
            yield f"{name} did not sign {pem.subject(link)}: order the chain from the leaf upwards"
            return
        link = signer
    if roots is None:
        return
    signers = [root for root in roots if pem.signed_by(link, root)]
    if not signers:
        issuer = link.issuer.rfc4514_string()
        yield f"no authority in the CA file signed {pem.subject(link)} (by {issuer}): add it, or the chain up to it"
    elif all([*_date(root, moment)] for root in signers):
        yield from _date(signers[0], moment)


def _date(found: x509.Certificate, moment: datetime) -> Iterator[str]:
    if moment < found.not_valid_before_utc:
        yield f"{pem.subject(found)} is not valid before {found.not_valid_before_utc:%F %T} UTC: look at the clock"
    if moment > found.not_valid_after_utc:
        yield f"{pem.subject(found)} expired on {found.not_valid_after_utc:%F %T} UTC: renew it"
