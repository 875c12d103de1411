"""Machines that log in by a certificate, at a real Crossbar: who comes in as whom, and what everybody else is told."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionman import process
from ionman.call import Account, connect
from ionman.calls.identity import Identity
from ionman.calls.reach import Router, Trust
from ionman.calls.wamp import join
from ionman.errors import IonmanError, Refused, Unavailable, WampError
from tests.router.machines import AUTHORITY, PAIRS, PUMP, STRANGER, Plant, machine, write

IONMAN = Path(__file__).parents[2] / ".venv" / "bin" / "ionman"


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("plant"))
    plant.start()
    yield plant
    plant.kill()


@pytest.mark.parametrize("pair", ["pump", "renewed"])
def test_a_machine_is_who_its_certificate_says_also_after_a_renewal(router: Plant, pair: str) -> None:
    with router.enter(pair) as pump:
        details = router.seen(pump)
        assert (details["caller_authid"], details["caller_authrole"]) == ("pump", "machine")
        with router.caller("ops") as ops:
            session = ops.call("wamp.session.get", details["caller"])
    assert (session["authid"], session["authrole"], session["authmethod"]) == ("pump", "machine", "tls")


def test_its_rights_are_those_of_its_role(router: Plant) -> None:
    with router.enter("pump") as pump:
        pump.register("app.pump.start", lambda: "started")
        assert pump.call("app.pump.start") == "started"
        for refused in ("app.demo.method1", "wamp.session.list", "ionman.router.links", "ionman.router.person"):
            with pytest.raises(Refused):
                pump.call(refused)
    with router.enter("valve", "valve") as valve, pytest.raises(Refused):
        valve.register("app.pump.start", lambda: "stolen")


TLS = {
    "expired": "this machine's certificate has expired",
    "early": "this machine's certificate is not valid, or not yet",
    "stranger's": "it does not trust the authority of this machine's certificate",
    "self-signed": "it does not trust the authority of this machine's certificate",
    "server's": "this machine's certificate is not made for clients",
    "authority's twin": "the authority that it trusts did not sign this machine's certificate",
}


@pytest.mark.parametrize("pair", TLS)
def test_tls_refuses_and_the_client_says_why(router: Plant, pair: str) -> None:
    with pytest.raises(Refused) as caught:
        router.enter(pair)
    assert caught.value.message == f"localhost:{router.machines} does not let this machine in: {TLS[pair]}"
    assert caught.value.remedy


WRONG = [
    ("nobody", "pump", "ionman", "made out for nobody-knows-me, and not for pump"),
    ("pump", "valve", "ionman", "made out for pump7.plant.example.org, pump7, and not for valve"),
    ("valve", "pump", "ionman", "made out for valve, and not for pump"),
    ("valve", "ops", "ionman", "made out for valve, and not for ops"),
    ("valve", "nobody", "ionman", "made out for valve, and not for nobody"),
    ("only common", "pump", "ionman", "made out for other.example.org, and not for pump"),
    ("two in one", "pump", "ionman", f"made out for valve, dns:{PUMP}, and not for pump"),
    ("star", "pump", "ionman", "made out for *.plant.example.org, and not for pump"),
    ("nameless", "pump", "ionman", "made out for nobody, and not for pump"),
    ("far", "far", "ionman", "made out for far, and not for far of the realm ionman"),
    ("pump", "pump", "elsewhere", "and not for pump of the realm elsewhere"),
    ("pump", "pump", "nowhere", "and not for pump of the realm nowhere"),
]


@pytest.mark.parametrize(("pair", "user", "realm", "says"), WRONG)
def test_a_certificate_is_good_for_its_own_user_in_its_own_realm(
    router: Plant, pair: str, user: str, realm: str, says: str
) -> None:
    with pytest.raises(Refused) as caught:
        router.enter(pair, user, realm=realm)
    assert says in str(caught.value)


def test_the_other_realms_machine_has_its_role_there(router: Plant) -> None:
    with router.enter("far", "far", realm="elsewhere") as far, pytest.raises(IonmanError) as caught:
        far.call("app.nothing")
    assert "no_such_procedure" in str(caught.value)


def test_without_a_certificate_nobody_comes_as_far_as_a_login(router: Plant) -> None:
    with pytest.raises(Refused, match="it wants a certificate of this machine"):
        connect(
            [f"localhost:{router.machines}"], user="alice", password=router.users["alice"], ca=router.ca, deadline=10
        )


def log_in(router: Plant, port: int, own: Identity | None, account: Account) -> None:
    """Log in by whatever `account` has, whether TLS shows `own` or not."""

    async def logged_in() -> None:
        session = await join(Router("localhost", port), Trust(router.ca, own), account, 20)
        await session.leave(Unavailable("the test is over"))

    asyncio.run(logged_in())


def test_a_certificate_is_no_way_for_passwords(router: Plant) -> None:
    own = Identity(router.pairs / "pump.pem", router.pairs / "pump.pem")
    alice, nobody = Account("ionman", "alice", router.users["alice"]), Account("ionman")
    key = Account("ionman", "pump", key="00" * 32)
    for account in (alice, nobody, key):
        with pytest.raises(Refused, match="cannot authenticate"):
            log_in(router, router.machines, own, account)
    log_in(router, router.port, own, alice)


def test_the_port_for_everybody_is_none_for_machines(router: Plant) -> None:
    own = Identity(router.pairs / "pump.pem", router.pairs / "pump.pem")
    with pytest.raises(Refused, match="cannot authenticate"):
        log_in(router, router.port, own, Account("ionman", "pump", certificate=own))
    with pytest.raises(Refused, match="SCRAM authentication failed"):
        log_in(router, router.port, None, Account("ionman", "pump", "guessed"))
    with pytest.raises(Refused):
        log_in(router, router.port, None, Account("ionman", "pump", key="00" * 32))


# --- what changes while a router runs -------------------------------------------------------------------------------


def test_an_authority_is_changed_without_a_restart(router: Plant) -> None:
    """Both are trusted while the machines get new certificates; then the old one lets nobody in any more."""
    ca = router.authorities
    with router.enter("pump") as stays:
        land(ca, AUTHORITY.certificate + STRANGER.certificate)
        for pair in ("pump", "stranger's"):
            router.enter(pair).close()
        land(ca, STRANGER.certificate)
        try:
            with pytest.raises(Refused, match="does not trust the authority"):
                router.enter("pump")
            router.enter("stranger's").close()
            land(ca, b"no certificate")
            router.enter("stranger's").close()
        finally:
            land(ca, AUTHORITY.certificate)
        router.enter("pump").close()
        with pytest.raises(WampError, match="no_such_procedure"):
            stays.call("app.pump.none")


def test_a_client_that_stays_shows_its_renewed_certificate(router: Plant) -> None:
    own, ca = router.pairs / "own.pem", router.authorities
    write(router.pairs, {"own": PAIRS["pump"], "new": machine(STRANGER, PUMP)})
    with router.enter("own") as pump, router.caller("ops") as ops:
        land(ca, STRANGER.certificate)  # so that the old one would not do any more
        (router.pairs / "new.pem").replace(own)
        try:
            ops.call("wamp.session.kill_by_authid", "pump")
            assert router.seen(pump)["caller_authid"] == "pump"
        finally:
            land(ca, AUTHORITY.certificate)


def land(path: Path, content: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def test_the_log_says_why_a_machine_was_refused(router: Plant) -> None:
    for pair in ("expired", "server's", "stranger's"):
        with pytest.raises(Refused):
            router.enter(pair)
    log = router.log.read_text()
    for why in ("has expired", "is not made for a client", "is from no authority that is trusted here"):
        assert f"a machine is not let in: the certificate of CN={PUMP} {why}" in log
    assert "Traceback" not in log


# --- the verb -------------------------------------------------------------------------------------------------------


def verb(router: Plant, *options: str | Path) -> tuple[int, str]:
    command: list[str | Path] = [IONMAN, "call", "app.pump.none", "--router", f"localhost:{router.machines}"]
    command += ["--user", "pump", "--ca", router.ca, *options]
    done = process.run(command, env={"PATH": os.environ["PATH"], "HOME": str(router.directory)}, check=False)
    return done.returncode, done.stdout


def test_the_verb_takes_a_certificate_in_place_of_a_password(router: Plant, tmp_path: Path) -> None:
    pair, secret = router.pairs / "pump.pem", tmp_path / "secret"
    (tmp_path / "pump.pem").write_bytes(PAIRS["pump"].certificate)
    secret.touch(0o600)
    secret.write_bytes(PAIRS["pump"].key)
    for options in (("--certificate", pair), ("--certificate", tmp_path / "pump.pem", "--certificate-key", secret)):
        status, said = verb(router, *options)
        assert (status, "no_such_procedure" in said) == (70, True), said
    status, said = verb(router, "--certificate", router.pairs / "expired.pem")
    assert (status, "this machine's certificate has expired" in said) == (77, True), said
    status, said = verb(router, "--certificate", router.pairs / "valve.pem")
    assert (status, "made out for valve, and not for pump" in said) == (77, True), said
    status, said = verb(router, "--certificate-key", secret)
    assert (status, f"{secret} is the key of no certificate" in said) == (78, True), said
    status, said = verb(router, "--certificate", pair, "--password-file", secret)
    assert (status, "a machine with a certificate has no other secret" in said) == (78, True), said
