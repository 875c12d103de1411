"""`ionman router render|check` as an operator uses it."""

import json
from pathlib import Path

from ionman import certificate, process
from tests.crossbar import CROSSBAR, free_port

IONMAN = Path(__file__).parents[2] / ".venv" / "bin" / "ionman"
ROLES = ["auditor", "mixed", "service_demo", "service_query_2"]  # that Crossbar asks for
DESCRIPTION = Path(__file__).parents[1] / "cases" / "router" / "description.yml"


def ionman(*arguments: str | Path, stdin: str = "") -> tuple[int, str]:
    done = process.run([IONMAN, "router", *arguments], stdin=stdin, check=False)
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


def test_what_is_rendered_satisfies_crossbar_check_too(tmp_path: Path) -> None:
    (tmp_path / "salt").write_bytes(b"0123456789abcdef")
    status, text = ionman("render", DESCRIPTION, "--salt-file", tmp_path / "salt")
    assert (status, json.loads(text)["version"]) == (0, 2)
    assert ionman("render", DESCRIPTION, "--salt-file", tmp_path / "salt")[1] == text
    status, text = ionman("render", DESCRIPTION, "--rights")
    assert (status, sorted(json.loads(text)["realms"]["ionman"])) == (0, ROLES)
    status, text = ionman("check", DESCRIPTION, "--crossbar", str(CROSSBAR))
    assert (status, text.strip()) == (0, "no problem found by the description, Crossbar")


def test_a_faulty_description_is_78_with_every_problem() -> None:
    status, text = ionman("check", "-", stdin=DESCRIPTION.read_text().replace("role: ops", "role: opps"))
    assert status == 78
    assert "1 problem:\n  realms[0].users[1].role: there is no role opps" in text
    assert ionman("check", "-", stdin="a: [")[0] == 78
    assert ionman("check", "/nowhere.yml")[0] == 78


def test_missing_and_unfit_files_are_found_on_the_routers_host(tmp_path: Path) -> None:
    described = DESCRIPTION.read_text().replace("/etc/ionman/tls", str(tmp_path))
    described = described.replace("port: 8443", f"port: {free_port()}")
    status, text = ionman("check", "-", "--files", stdin=described)
    assert (status, "router.key cannot be read: No such file" in text) == (78, True), text
    authority = certificate.authority()
    pair = certificate.leaf(authority, ["router.example.org"])
    (tmp_path / "router.pem").write_bytes(pair.certificate)
    (tmp_path / "router.key").write_bytes(certificate.authority().key)
    (tmp_path / "router.key").chmod(0o640)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    described = described.replace(f"chain: [{tmp_path}/intermediate.pem]", "chain: []")
    status, text = ionman("check", "-", "--files", stdin=described)
    assert (status, "the key is not the certificate's" in text) == (78, True), text
    (tmp_path / "router.key").write_bytes(pair.key)
    assert ionman("check", "-", "--files", "--ca", tmp_path / "ca.pem", stdin=described)[0] == 0


def test_a_vault_that_was_not_opened_is_named_with_its_place() -> None:
    described = DESCRIPTION.read_text().replace(
        "password: alice-password", "password: !vault $ANSIBLE_VAULT;1.1;AES256"
    )
    status, text = ionman("check", "-", stdin=described)
    assert (status, "realms[0].users[0].password: is a vault that was not opened" in text) == (78, True), text


def test_what_works_and_is_not_meant_is_named_too() -> None:
    described = DESCRIPTION.read_text().replace("calls: [app.]", "calls: [app., app.demo.]")
    status, text = ionman("check", "-", stdin=described)
    assert (status, "services[0].calls[1]: app.demo. is below app." in text) == (78, True), text
    assert ionman("render", "-", "--rights", stdin=described)[0] == 0
