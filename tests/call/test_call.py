"""`ionman.call` and the verb against a real router with a real callee."""

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ionman import certificate, process
from ionman.call import Account, Client, call
from ionman.errors import ConfigurationError, InputError, Late, Refused, Unavailable, WampError
from tests.callee import Callee, WampFailure
from tests.crossbar import Crossbar, free_port

IONMAN = Path(__file__).parents[2] / ".venv" / "bin" / "ionman"
FINISH = threading.Event()


def echo(argv: Any, details: Mapping[str, Any]) -> Any:
    return {"status": "OK", "argv": argv, "caller": details["caller_authid"], "role": details["caller_authrole"]}


def fail(argv: Any, details: Mapping[str, Any]) -> Any:
    return {"status": "FAIL", "message": "not authorized"}


def crash(argv: Any, details: Mapping[str, Any]) -> Any:
    raise WampFailure("app.error.broken", "the disk is full")


def hang(argv: Any, details: Mapping[str, Any]) -> Any:
    FINISH.wait(20)
    return None


@pytest.fixture(scope="module")
def served(router: Crossbar) -> Iterator[Crossbar]:
    account = Account("ionman", "myserviceusername", router.users["myserviceusername"])
    procedures = {"app.t.echo": echo, "app.t.fail": fail, "app.t.crash": crash, "app.t.bytes": lambda *_: b"\x00\xff"}
    with (
        Callee(router.address, router.ca, account, procedures),
        Callee(router.address, router.ca, account, {"app.t.hang": hang}),
    ):
        yield router
        FINISH.set()


def ask(served: Crossbar, uri: str = "app.t.echo", argv: Any = None, **changes: Any) -> Any:
    arguments: dict[str, Any] = {
        "routers": [served.address],
        "realm": "ionman",
        "user": "alice",
        "password": served.users["alice"],
        "ca": served.ca,
        "deadline": 10.0,
    }
    return call(uri, argv, **(arguments | changes))


def test_a_call_is_answered_and_the_caller_disclosed(served: Crossbar) -> None:
    parameter = {"list": [1, 2.5, None, True], "text": "ä€😀", "nested": {"a": {}}}
    assert ask(served, argv=parameter) == {"status": "OK", "argv": parameter, "caller": "alice", "role": "client"}
    assert ask(served)["argv"] is None


def test_calls_repeat_in_one_process_and_on_one_session(served: Crossbar) -> None:
    with Client([served.address], Account("ionman", "alice", served.users["alice"]), ca=served.ca) as caller:
        assert [caller.call("app.t.echo", number)["argv"] for number in range(20)] == list(range(20))


def test_an_error_answer_carries_its_uri_and_text(served: Crossbar) -> None:
    with pytest.raises(WampError, match="the disk is full") as caught:
        ask(served, "app.t.crash")
    assert caught.value.uri == "app.error.broken"


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"password": "wrong"}, Refused, "user and the password"),
        ({"user": "nobody"}, Refused, "nobody"),
        ({"realm": "elsewhere"}, Refused, "name of the realm"),
        ({"uri": "ionman.service.demo.ping"}, Refused, "not_authorized"),
        ({"uri": "app.t.missing"}, WampError, "no_such_procedure"),
        ({"uri": "app.t.hang", "deadline": 1.0}, Late, "before the deadline"),
        ({"password": ""}, ConfigurationError, "no password and no key"),
        ({"key": "abc"}, ConfigurationError, "Ed25519"),
        ({"ca": "/nowhere/ca.pem"}, ConfigurationError, "is not there"),
        ({"routers": ["localhost:0"]}, ConfigurationError, "router address"),
        ({"routers": []}, ConfigurationError, "no router"),
        ({"deadline": float("nan")}, ConfigurationError, "leaves no time"),
        ({"uri": ""}, InputError, "'' is no URI"),
        ({"uri": "app..t"}, InputError, "'app..t' is no URI"),
        ({"uri": "app.t echo"}, InputError, "is no URI"),
        ({"routers": ["a..b:1"]}, Unavailable, "not resolved: a part of it is empty"),
        ({"routers": [f"{'a' * 300}:1"]}, Unavailable, "not resolved: a part of it is empty or longer"),
        ({"argv": "x" * (2 << 20)}, InputError, "2[0-9]+ octets; the router takes 1048576"),
        ({"routers": ["name.invalid:8443"]}, Unavailable, "not resolved"),
    ],
)
def test_what_goes_wrong_is_said(served: Crossbar, changes: dict[str, Any], error: type[Exception], text: str) -> None:
    began = time.monotonic()
    with pytest.raises(error, match=text):
        ask(served, **changes)
    assert time.monotonic() - began < 8


def test_the_next_router_is_asked_when_one_cannot_be_reached(served: Crossbar) -> None:
    closed = f"localhost:{free_port()}"
    assert ask(served, routers=[closed, served.address])["status"] == "OK"
    with pytest.raises(Unavailable, match="nothing listens") as caught:
        ask(served, routers=[closed, "name.invalid:1"])
    assert "not resolved" in str(caught.value)


def test_a_router_that_never_answers_does_not_use_up_the_deadline_of_the_next(served: Crossbar) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        assert ask(served, routers=[mute, served.address], deadline=4.0)["status"] == "OK"
        assert 1.5 < time.monotonic() - began < 3.5
        with pytest.raises(Unavailable, match=r"did not answer within 1\.0 s"):
            ask(served, routers=[mute], deadline=1.0)


@contextmanager
def tls_server(directory: Path, pair: certificate.Pair) -> Iterator[str]:
    """Anything that speaks TLS with the certificate of `pair`: `host:port`."""
    (directory / "s.pem").write_bytes(pair.certificate)
    (directory / "s.key").write_bytes(pair.key)
    port = free_port()
    command: list[str | Path] = ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}"]
    server = process.start([*command, "-cert", directory / "s.pem", "-key", directory / "s.key"], die_with_parent=True)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"127.0.0.1:{port}"
    server.kill()
    server.wait()


MINE = certificate.authority("mine")
OLD = datetime.now(UTC) - timedelta(days=200)


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (certificate.leaf(certificate.authority("another"), ["127.0.0.1"]), "another authority"),
        (certificate.leaf(MINE, ["127.0.0.1"], now=OLD), "has expired"),
        (certificate.leaf(MINE, ["localhost"]), "other addresses"),
        (certificate.leaf(MINE, ["127.0.0.1"], now=datetime.now(UTC) + timedelta(days=2)), "not valid yet"),
        (MINE, "other addresses|not trusted"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_says_why(tmp_path: Path, pair: certificate.Pair, text: str) -> None:
    (tmp_path / "ca.pem").write_bytes(MINE.certificate)
    with tls_server(tmp_path, pair) as address, pytest.raises(Unavailable, match=text):
        call("app.x", routers=[address], realm="ionman", user="a", password="b", ca=tmp_path / "ca.pem", deadline=5)


def refuse(listener: socket.socket) -> None:
    with listener.accept()[0] as connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_port_without_tls_is_told(served: Crossbar) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        answer = threading.Thread(target=refuse, args=(plain,))
        answer.start()
        with pytest.raises(Unavailable, match="does not speak TLS"):
            ask(served, routers=[f"127.0.0.1:{plain.getsockname()[1]}"])
        answer.join()


CLEAN = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def verb(served: Crossbar, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    secret = {"IONMAN_PASSWORD": served.users["alice"]} if env is None else env
    options = ["--router", served.address, "--user", "alice", "--ca", str(served.ca)]
    done = process.run(
        [IONMAN, "call", *arguments, *options],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | secret,
        check=False,
    )
    assert "Traceback" not in done.stdout
    return done.returncode, done.stdout


def test_the_verb_prints_json_and_its_status_tells_how_it_went(served: Crossbar) -> None:
    status, text = verb(served, "app.t.echo", '{"a": [1, "ä"]}')
    assert (status, json.loads(text)["argv"]) == (0, {"a": [1, "ä"]})
    status, text = verb(served, "app.t.fail")
    assert (status, json.loads(text)["message"]) == (1, "not authorized")
    status, text = verb(served, "app.t.echo", "--count", "3")
    assert (status, len(text.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "env", "status", "text"),
    [
        (["app.t.echo", "{a: 1}"], None, 65, "not JSON"),
        (["app.t.echo", "NaN"], None, 65, "is nan, which JSON has no word for"),
        (["app.t.echo", "[" * 50000], None, 65, "not JSON"),
        (["app.t.echo", "[" * 500 + "]" * 500], None, 65, "nested deeper"),
        (["app.t.echo", "--router", "name.invalid:1", "--deadline", "5"], None, 0, "alice"),
        (["app.t.crash"], None, 70, "app.error.broken: the disk is full"),
        (["app.t.bytes"], None, 70, "JSON cannot hold"),
        (["app.t.hang", "--deadline", "0.8"], None, 75, "before the deadline"),
        (["app.t.echo"], {"IONMAN_PASSWORD": "wrong"}, 77, "password"),
        (["wamp.session.list"], None, 77, "not_authorized"),
        (["app.t.echo"], {}, 78, "there is no password for alice"),
        (["app.t.echo", "--config", "/nowhere.ini"], None, 78, "/nowhere.ini"),
    ],
)
def test_the_verb_says_what_went_wrong(
    served: Crossbar, arguments: list[str], env: dict[str, str] | None, status: int, text: str
) -> None:
    found, said = verb(served, *arguments, env=env)
    assert (found, text in said) == (status, True), said


def test_no_router_is_69(served: Crossbar) -> None:
    command: list[str | Path] = [
        IONMAN,
        "call",
        "app.x",
        "--router",
        f"localhost:{free_port()}",
        "--user",
        "a",
        "--ca",
        served.ca,
    ]
    done = process.run(command, env=dict(os.environ) | {"IONMAN_PASSWORD": "x"}, check=False)
    assert (done.returncode, "nothing listens there" in done.stdout) == (69, True), done.stdout


def test_what_a_terminal_cannot_show_is_escaped(served: Crossbar) -> None:
    secret = {"IONMAN_PASSWORD": served.users["alice"], "PYTHONIOENCODING": "ascii"}
    status, text = verb(served, "app.t.echo", '"ä"', env=secret)
    assert (status, '"argv": "\\u00e4"' in text) == (0, True)


def test_a_folder_is_no_password_file(served: Crossbar, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    status, text = verb(served, "app.t.echo", "--password-file", str(tmp_path), env={})
    assert (status, "chmod" in text, "Is a directory" in text) == (78, False, True)


def test_defaults_come_from_a_configuration_like_a_services(served: Crossbar, tmp_path: Path) -> None:
    text = f"debug = False\nrealm = ionman\nuser = alice\npassword = {served.users['alice']}\nhost = localhost\n"
    (tmp_path / "call.ini").write_text(f"{text}port = {served.port}\ntitle = Any\nca = {served.ca}\n")
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "IONMAN_CALL": str(tmp_path / "call.ini")}
    done = process.run([IONMAN, "call", "app.t.echo"], env=env)
    assert json.loads(done.stdout)["caller"] == "alice"
    (tmp_path / ".config" / "ionman").mkdir(parents=True)
    (tmp_path / "call.ini").rename(tmp_path / ".config" / "ionman" / "call.ini")
    done = process.run([IONMAN, "call", "app.t.echo"], env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert json.loads(done.stdout)["caller"] == "alice"


def test_a_password_file_that_all_may_read_is_refused(served: Crossbar, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(served.users["alice"] + "\n")
    secret.chmod(0o644)
    status, text = verb(served, "app.t.echo", "--password-file", str(secret), env={})
    assert (status, f"chmod 600 {secret}" in text) == (78, True), text
    secret.chmod(0o600)
    assert verb(served, "app.t.echo", "--password-file", str(secret), env={})[0] == 0


def test_a_router_that_dies_during_a_call_is_said_and_the_call_not_repeated(own_router: Crossbar) -> None:
    asked = threading.Event()

    def once(argv: Any, details: Mapping[str, Any]) -> Any:
        assert not asked.is_set()
        asked.set()
        own_router.kill()

    own_router.start()
    account = Account("ionman", "myserviceusername", own_router.users["myserviceusername"])
    with (
        Callee(own_router.address, own_router.ca, account, {"app.t.once": once}),
        pytest.raises(Unavailable, match="was lost") as caught,
    ):
        ask(own_router, "app.t.once", routers=[own_router.address, own_router.address])
    assert "may have been done or not" in str(caught.value)


def test_a_router_that_takes_the_request_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    authority = certificate.authority("mute")
    leaf = certificate.leaf(authority, ["localhost"])
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[ssl.SSLSocket] = []
        serving = threading.Thread(
            target=lambda: held.append(context.wrap_socket(server.accept()[0], server_side=True))
        )
        serving.start()
        began = time.monotonic()
        with pytest.raises(Unavailable, match="did not answer within"):
            call(
                "app.t.echo",
                routers=[f"localhost:{server.getsockname()[1]}"],
                realm="ionman",
                user="alice",
                password="none",
                ca=tmp_path / "ca.pem",
                deadline=1.0,
            )
        assert time.monotonic() - began < 5
        serving.join()
        for one in held:
            one.close()
