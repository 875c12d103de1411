"""What testssl.sh, a stranger to this project, finds in a router's listener: nothing of weight. Takes five minutes."""

import json
from pathlib import Path

import pytest

from ionman import process
from tests.crossbar import Crossbar

# What is left, and why. An authority of one's own has nobody to ask whether a leaf was revoked: leaves live 90 days,
# and a change of the authority ends all of them. The rest are notes: no DNS record of localhost names an authority,
# plain HTTP is not spoken at all (so there is nothing to keep browsers from), this openssl has no GOST.
KNOWN = {"cert_revocation", "DNS_CAArecord", "HSTS", "engine_problem"}


@pytest.fixture(autouse=True)
def under() -> None:
    """No lab is needed here."""


@pytest.mark.timeout(900)
def test_nothing_of_weight(own_router: Crossbar, tmp_path: Path) -> None:
    own_router.start()
    report = tmp_path / "found.json"
    command: list[str | Path] = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--add-ca", own_router.ca]
    command += ["--severity", "LOW", "--jsonfile", report, own_router.address]
    done = process.run(command, check=False, timeout=800)
    assert "Done" in done.stdout, done.stdout[-2000:]
    found = {one["id"]: one["finding"] for one in json.loads(report.read_text())}
    assert "cert_revocation" in found, "it has looked"
    assert set(found) <= KNOWN, found
