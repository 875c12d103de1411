"""A certificate from an ACME server (RFC 8555), by the `acme` library; the one place that imports it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import josepy.jwa
import josepy.jwk
import requests
from acme import challenges, client, errors, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ionman.certificates.order import DNS, HTTP, Obtained, Order
from ionman.certificates.proof import Answers, answering
from ionman.errors import ConfigurationError, IonmanError, Late, Refused, Unavailable
from ionman.files import write

PATIENCE = timedelta(seconds=180)  # for the server to look at the answers, and to sign
KINDS: dict[str, Any] = {HTTP: challenges.HTTP01, DNS: challenges.DNS01}


def obtain(order: Order, account: Path) -> Obtained:
    """A new certificate with a new key; `account` is the file of the account's key, made when it is not there.

    Raises `Unavailable`, `Refused`, `Late`, `NotPossible`: what the server or the way to it said.
    """
    with _told(order.directory):
        known = _account_key(account)
        way = _client(order, known)
        _register(way, order)
        key = ec.generate_private_key(ec.SECP256R1())
        pending = way.new_order(_request(key, order))
        with answering(order) as answers:
            given = [_give(one, known, order, answers) for one in _open(pending)]
            answers.settle()
            for tell in given:
                tell(way)
            text = way.poll_and_finalize(pending, datetime.now() + PATIENCE).fullchain_pem
    leaf, end, chain = text.encode().partition(b"-----END CERTIFICATE-----\n")
    return Obtained(leaf + end, _pem(key), chain.lstrip())


def _client(order: Order, key: Any) -> Any:
    net = client.ClientNetwork(key, alg=josepy.jwa.ES256, user_agent="ionman", verify_ssl=order.ca or True)  # type: ignore[arg-type]
    return client.ClientV2(client.ClientV2.get_directory(order.directory, net), net)


def _account_key(path: Path) -> Any:
    if not path.exists():
        write(path, _pem(ec.generate_private_key(ec.SECP256R1())), mode=0o600)
    return josepy.jwk.JWKEC(key=serialization.load_pem_private_key(path.read_bytes(), None))


def _register(way: Any, order: Order) -> None:
    """Have the account: a key that the server knows is one that has it (RFC 8555, 7.3)."""
    wanted = messages.NewRegistration.from_data(email=order.email or None, terms_of_service_agreed=True)
    try:
        way.net.account = way.new_account(wanted)
    except errors.ConflictError as error:
        way.net.account = way.query_registration(messages.RegistrationResource(body=wanted, uri=error.location))


def _request(key: ec.EllipticCurvePrivateKey, order: Order) -> bytes:
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in order.names])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    signed = request.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form)


def _open(pending: Any) -> Iterator[Any]:
    """The names that are not proven yet: a proof counts for a while."""
    return (one for one in pending.authorizations if one.body.status != messages.STATUS_VALID)


def _give(authorization: Any, key: Any, order: Order, answers: Answers) -> Callable[[Any], None]:
    """Answer for one name; what is returned tells the server to look."""
    name = authorization.body.identifier.value
    offered = [one for one in authorization.body.challenges if isinstance(one.chall, KINDS[order.challenge])]
    if not offered:
        remedy = "choose another challenge in certificate_acme"
        raise ConfigurationError(f"{order.directory} offers no {order.challenge} for {name}", remedy=remedy)
    response, validation = offered[0].response_and_validation(key)
    answers.give(name, getattr(offered[0].chall, "path", ""), validation)
    return lambda way: way.answer_challenge(offered[0], response)


@contextmanager
def _told(directory: str) -> Iterator[None]:
    """Everything that the library raises, in our words."""
    try:
        yield
    except IonmanError:
        raise
    except errors.ValidationError as error:
        why = "; ".join(_failures(error.failed_authzrs)) or "it does not say why"
        remedy = "can it reach this host by that name (http-01: port 80; dns-01: the record)?"
        raise Refused(f"{directory} was not convinced: {why}", remedy=remedy) from error
    except messages.Error as error:
        raise Refused(f"{directory} refuses: {error.detail or error}", remedy="correct certificate_acme") from error
    except errors.TimeoutError as error:
        raise Late(f"{directory} did not come to an end in time", remedy="it is tried again by the timer") from error
    except (errors.Error, requests.RequestException, ValueError) as error:
        remedy = "look at the address, the network, and its authority (certificate_acme: ca)"
        raise Unavailable(f"{directory} cannot be used: {error}", remedy=remedy) from error


def _failures(authorizations: Any) -> Iterator[str]:
    for one in authorizations:
        for challenge in one.body.challenges:
            if challenge.error is not None:
                yield f"{one.body.identifier.value}: {challenge.error.detail}"
