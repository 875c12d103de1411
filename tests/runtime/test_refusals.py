"""Every start that cannot succeed: a message that names the place and the remedy, the status, and no traceback."""

import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ionman import certificate, process
from tests.call.test_call import tls_server
from tests.runtime.author import PATIENCE, Author

GOOD = "def app_demo_one(self, argv, details):\n    return self.ok()"


def refused(author: Author, status: int, *said: str, arguments: tuple[str, ...] = (), **extra: str) -> str:
    """Run to the end and check status and words; started by twistd it has to be the same."""
    found, text = author.run(*arguments, **extra)
    assert found == status, text
    for words in said:
        assert words in text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("verb", [(), ("background",)])
def test_wrong_password(author: Author, verb: tuple[str, ...]) -> None:
    author.shell("demo").module("demo", GOOD).configure(password="wrong-secret", pidfile="x.pid")
    text = refused(author, 77, "config.ini", "refused user 'myserviceusername'", "correct user and", arguments=verb)
    assert "wrong-secret" not in text
    assert author.run("status")[0] == 3


def test_unknown_user(author: Author) -> None:
    author.shell("demo").module("demo", GOOD).configure(user="nobody")
    refused(author, 77, "refused user 'nobody'")


def test_unknown_realm(author: Author) -> None:
    author.shell("demo").module("demo", GOOD).configure(realm="elsewhere")
    refused(author, 78, "has no realm 'elsewhere'")


def test_a_user_that_may_not_register(author: Author) -> None:
    author.shell("demo").module("demo", GOOD).configure(user="alice", password="alice-password")
    refused(author, 77, "does not let user 'alice' offer", "router's configuration")


def test_another_policy(author: Author) -> None:
    author.shell("demo").module("demo", GOOD)
    first = author.ready()
    author.configure(schedule="random")
    refused(author, 78, "app.demo.one is registered", "'random'", "set schedule alike")
    assert first.end() == 0


def test_configuration_missing(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD)
    (alone.folder / "config.ini").unlink()
    refused(alone, 78, f"{alone.folder}/config.ini: the configuration is not there", "IONMAN_CONFIG")


def test_configuration_unreadable(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD)
    (alone.folder / "config.ini").unlink()
    (alone.folder / "config.ini").mkdir()
    refused(alone, 78, "config.ini: the configuration cannot be read: Is a directory")


def test_configuration_wrong_under_twistd(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD).configure(port=99999, host=None, ca=None)
    done = process.run(
        ["twistd", "--pidfile=", "-ny", "demo.py"],
        cwd=alone.folder, env=alone.environ(), check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 78
    assert "config.ini, line 4: port: 99999 is not a port: ports are 1 to 65535" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_authority_that_cannot_be_read(alone: Author) -> None:
    (alone.folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    alone.shell("demo").module("demo", GOOD).configure(host="localhost", port=9, ca="ca.pem")
    refused(alone, 78, "demo.py: ", "ca.pem holds a certificate that cannot be read")


@pytest.mark.parametrize(
    ("modules", "body", "said"),
    [
        (["demo", "gone"], GOOD, ["module 'gone' is not there", "modules/gone.py", "take its name out of Modules"]),
        (["demo"], "import nothing_of_that_name", ["modules/demo.py fails to import: line 1: ModuleNotFoundError"]),
        (["demo"], "from os import (", ["modules/demo.py fails to import: line 1: SyntaxError"]),
        (["demo"], "import sys\nsys.exit(3)", ["modules/demo.py fails to import: line 2: SystemExit: 3"]),
        (["demo"], "import os", ["modules/demo.py defines neither Registrations nor Subscriptions"]),
        (["demo"], "class Registrations:\n    pass", ["Registrations is not a subclass of RegistrationsClass"]),
        (["demo"], "def app__demo(self, argv, details): pass", ["demo.py, line 5: ", "gives the URI 'app..demo'"]),
        (["demo"], "def app_Demo(self, argv, details): pass", ["'app.Demo'", "the part 'Demo'"]),
        (["demo"], "def helper(self): pass", ["'helper'", "it has no dot", "begin a helper's name with _"]),
        (["demo"], '@procedure("app demo")\ndef x(self, argv, details): pass', ["'app demo'"]),
        (["demo"], "def wamp_x(self, argv, details): pass", ["the prefix wamp. is reserved"]),
        (["demo"], f"{GOOD}\n{GOOD}", ["app.demo.one is claimed by Registrations.app_demo_one twice", "line 7"]),
        (["demo"], "def __init__(self, conf, extra): raise SystemExit(4)", ["cannot be made", "SystemExit"]),
        (["demo"], "def __init__(self, conf, extra): raise OSError(0)", ["Registrations cannot be made", "line 5"]),
        ([], GOOD, ["Modules is []"]),
    ],
)  # fmt: skip
def test_modules(alone: Author, modules: list[str], body: str, said: list[str]) -> None:
    refused(alone.shell(*modules).module("demo", body), 78, "modules/" if modules else "demo.py", *said)


def test_modules_that_are_no_list(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD)
    alone.file.write_text(alone.file.read_text().replace("['demo']", "5"))
    refused(alone, 78, "Modules is 5, not a list of different module names")


def test_a_file_without_an_application(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD)
    alone.file.write_text(alone.file.read_text().replace("application", "service"))
    refused(alone, 78, "demo.py has no `application`", "end the file with `application = MicroService()`")


def test_two_modules_that_claim_one_uri(alone: Author) -> None:
    other = '@procedure("app.demo.one")\ndef other(self, argv, details):\n    return self.ok()'
    alone.shell("demo", "second").module("demo", GOOD).module("second", other)
    text = refused(alone, 78, "app.demo.one is claimed by")
    assert "modules/demo.py, line 5: Registrations.app_demo_one" in text
    assert "modules/second.py, line 5: Registrations.other" in text


@pytest.mark.parametrize("key", ["pidfile", "logfile"])
def test_a_file_that_cannot_be_written_is_told_before_it_goes_to_the_background(alone: Author, key: str) -> None:
    alone.shell("demo").module("demo", GOOD).configure(host="localhost", port=9, **{key: "no/such/folder/x"})
    refused(alone, 78, "no/such/folder/x: the", f"set {key} to a place", arguments=("background",))


def test_ctrl_c_while_a_start_in_the_background_is_awaited(alone: Author) -> None:
    alone.shell("demo").module("demo", GOOD)
    waiting = alone.start(alone.file, "background")
    waiting.until("connecting")
    assert waiting.end(signal.SIGINT) == 130
    assert waiting.said() == "demo.py: interrupted; ./demo.py status tells what runs\n"
    assert waiting.ask()["state"] == "connecting"
    status, said = alone.run("stop", IONMAN_CONTROL=str(waiting.socket))
    assert (status, "stopped" in said) == (0, True)


def test_a_word_that_is_no_command(alone: Author) -> None:
    refused(alone.shell("demo").module("demo", GOOD), 65, "'sideways' is not understood", arguments=("sideways",))


def test_a_second_process_of_one_instance(author: Author) -> None:
    author.shell("demo").module("demo", GOOD)
    first = author.ready()
    second = refused(author, 75, "this instance runs already as process", IONMAN_CONTROL=str(author.folder / "1.sock"))
    assert str(first.popen.pid) in second
    assert first.ask()["state"] == "ready"
    assert first.end() == 0


def test_a_tls_authority_that_is_not_trusted_is_told_and_tried_again(author: Author, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(certificate.authority().certificate)
    running = author.shell("demo").module("demo", GOOD).configure(ca=other).start()
    running.until_said("is from another authority than those that are trusted here; set ca to its authority's file")
    assert running.ask()["state"] == "connecting"
    assert running.end() == 0


@pytest.mark.parametrize(
    ("days", "said"), [(-200, "has expired; renew it: playbooks"), (2, "is not valid yet; compare the clocks")]
)
def test_a_certificate_out_of_its_time(alone: Author, tmp_path: Path, days: int, said: str) -> None:
    authority = certificate.authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    leaf = certificate.leaf(authority, ["localhost"], now=datetime.now(UTC) + timedelta(days=days))
    with tls_server(tmp_path, leaf) as address:
        port = address.rpartition(":")[2]
        alone.shell("demo").module("demo", GOOD).configure(host="localhost", port=port, ca="ca.pem")
        running = alone.start()
        running.until_said(f"router localhost:{port}: its TLS certificate {said}")
        assert running.end() == 0


def test_an_address_that_the_certificate_is_not_made_out_for(alone: Author, tmp_path: Path) -> None:
    authority = certificate.authority()
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    with tls_server(tmp_path, certificate.leaf(authority, ["localhost"])) as address:
        port = address.rpartition(":")[2]
        running = alone.shell("demo").module("demo", GOOD).configure(host="127.0.0.1", port=port, ca="ca.pem").start()
        running.until_said(f"router 127.0.0.1:{port}: its TLS certificate is made out for other addresses")
        assert running.end() == 0


def test_nothing_secret_is_in_the_process_list(author: Author) -> None:
    running = author.shell("demo").module("demo", GOOD).ready()
    command = Path(f"/proc/{running.popen.pid}/cmdline").read_bytes()
    environment = Path(f"/proc/{running.popen.pid}/environ").read_bytes()
    assert b"myservicepassword" not in command + environment
    assert isinstance(running.popen, subprocess.Popen)
    assert running.end() == 0
