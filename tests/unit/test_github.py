"""The edge to the GitHub API against the double, over real HTTP: what is fetched, and each way it can fail."""

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from githubkit_schemas.latest.models import BasicError, Release, ReleaseAsset

from ionman.command.main import main
from ionman.errors import ConfigurationError, InputError, IonmanError, Late, Refused, Unavailable
from ionman.lab import place
from ionman.lab.github import Double, Fault
from ionman.lab.releases import demo_releases, publish, publish_files, token
from ionman.releases.github import Fetched, GitHub
from ionman.releases.origin import check_url, read_token

DEMO = "ionman/demo"
FILES = {"demo.py": (b"application = 1\n", 0o755), "requirements.lock": (b"# none\n", 0o644)}


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    folder = tmp_path / "releases"
    publish_files(FILES, folder, DEMO, "v1.0.0")
    publish_files(FILES, folder, DEMO, "v1.1.0-rc1")
    publish_files(FILES, folder, "ionman/private", "v1.0.0")
    (folder / "ionman/private/private").touch()
    return folder


@pytest.fixture
def double(releases: Path) -> Iterator[Double]:
    with Double(releases) as running:
        yield running


@pytest.fixture
def github(double: Double, tmp_path: Path) -> GitHub:
    return GitHub(double.url, cache=tmp_path / "cache", pause=0.01, timeout=(2.0, 2.0))


def fetch(github: GitHub, tag: str = "v1.0.0", *, repository: str = DEMO, **wanted: str) -> Fetched:
    return github.fetch(github.look(repository, tag, **wanted))


def leftovers(github: GitHub) -> list[Path]:
    return [path for path in github.cache.rglob("*") if path.name.startswith(".")] if github.cache.exists() else []


# --- what works --------------------------------------------------------------------------------------------------


def test_the_built_asset_is_fetched_verified_and_kept(github: GitHub, double: Double, releases: Path) -> None:
    got = fetch(github)
    data = (releases / DEMO / "v1.0.0/assets/demo-1.0.0.tar.gz").read_bytes()
    assert got.path.read_bytes() == data
    assert got.trust.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (got.trust.by, got.fresh) == ("checksums", True)
    double.seen.clear()
    assert fetch(github).fresh is False
    assert not [path for _, path, _ in double.seen if path.endswith("demo-1.0.0.tar.gz")]


def test_the_source_is_fetched_by_its_checksum(github: GitHub) -> None:
    assert fetch(github, asset="source").name == "demo-v1.0.0-source.tar.gz"


def test_the_digest_of_the_api_is_enough(github: GitHub, releases: Path) -> None:
    (releases / DEMO / "v1.0.0/assets/SHA256SUMS").unlink()
    assert fetch(github).trust.by == "api"


def test_a_pin_needs_no_checksums_file(github: GitHub, double: Double) -> None:
    pin = fetch(github).trust.digest
    double.seen.clear()
    assert fetch(github, pin=pin).trust.by == "pin"
    assert not [path for _, path, _ in double.seen if "SHA256SUMS" in path]


def test_a_private_repository_with_its_token_at_an_enterprise(double: Double, releases: Path, tmp_path: Path) -> None:
    github = GitHub(f"{double.url}/api/v3/", token=token(releases), cache=tmp_path / "cache")
    assert fetch(github, repository="ionman/private").fresh
    carried = {(origin, came) for origin, _, came in double.seen}
    assert carried == {("api", True), ("storage", False)}, "the token goes to the API, never along a redirect"


def test_no_token_is_taken_from_a_netrc_file(double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password wrong\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    fetch(GitHub(double.url, cache=tmp_path / "cache"))
    assert not [seen for seen in double.seen if seen[2]]


def test_a_server_that_stumbles_is_asked_again(github: GitHub, double: Double) -> None:
    double.faults += [Fault(502, "Bad Gateway"), Fault(503, "Unavailable")]
    assert fetch(github).fresh


# --- what fails --------------------------------------------------------------------------------------------------

LIMIT = {"x-ratelimit-remaining": "0"}
ANSWERS = [
    (Fault(404, "Not Found"), InputError, "the repository is private and no token was given"),
    (Fault(401, "Bad credentials"), Refused, "token is wrong, revoked or expired"),
    (Fault(403, "Resource not accessible"), Refused, "may read the repository's contents"),
    (Fault(403, "API rate limit exceeded", LIMIT), Unavailable, "wait 10 min, or give a token"),
    (Fault(429, "Slow down", {"retry-after": "90"}), Unavailable, "wait 2 min"),
    (Fault(418, "Teapot"), Unavailable, "check the address of the API"),
]


@pytest.mark.parametrize(("fault", "kind", "text"), ANSWERS, ids=[str(answer[0].status) for answer in ANSWERS])
def test_an_answer_is_explained(
    github: GitHub, double: Double, fault: Fault, kind: type[IonmanError], text: str
) -> None:
    LIMIT["x-ratelimit-reset"] = str(int(time.time()) + 600)
    double.faults.append(fault)
    with pytest.raises(kind) as caught:
        fetch(github)
    assert text in str(caught.value)
    assert "release v1.0.0 of ionman/demo" in caught.value.message
    assert fault.message in caught.value.message


def test_a_server_that_stays_down(github: GitHub, double: Double) -> None:
    double.faults += [Fault(500, "Oops")] * 3
    with pytest.raises(Unavailable, match=r"answered 500 \(Oops\)"):
        fetch(github)


@pytest.mark.parametrize("repository", ["ionman/demo", "ionman/private", "nobody/nothing"])
def test_what_is_not_there_may_be_private(github: GitHub, repository: str) -> None:
    with pytest.raises(InputError, match="no such release or repository, or the repository is private"):
        fetch(github, "v7.0.0", repository=repository)


def test_a_wrong_token(double: Double, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="the token is wrong") as caught:
        fetch(GitHub(double.url, token="ghp_secret", cache=tmp_path), repository="ionman/private")
    assert "ghp_secret" not in str(caught.value)


def test_changed_bytes_are_refused(github: GitHub, releases: Path) -> None:
    with (releases / DEMO / "v1.0.0/assets/demo-1.0.0.tar.gz").open("ab") as file:
        file.write(b"!")
    with pytest.raises(InputError, match="one of them was changed"):
        fetch(github)


def test_bytes_that_are_not_the_pinned_ones_are_refused(github: GitHub) -> None:
    with pytest.raises(InputError, match="nothing was built") as caught:
        fetch(github, pin=f"sha256:{'0' * 64}")
    assert "0" * 64 in str(caught.value)
    assert leftovers(github) == []


def test_a_source_that_nobody_vouches_for_is_kept_to_be_looked_at(github: GitHub, releases: Path) -> None:
    (releases / DEMO / "v1.0.0/assets/SHA256SUMS").unlink()
    source = releases / DEMO / "v1.0.0/source.tar.gz"
    actual = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    with pytest.raises(InputError, match="nothing says which digest") as caught:
        fetch(github, asset="source")
    assert f"digest: {actual}" in caught.value.remedy
    assert fetch(github, asset="source", pin=actual).fresh is False


@pytest.mark.parametrize("file", ["SHA256SUMS", "demo-1.0.0.tar.gz"])
def test_a_download_that_breaks_off(github: GitHub, double: Double, file: str) -> None:
    double.faults.append(Fault(cut=10, path=file))
    with pytest.raises(Unavailable, match=f"{file} of ionman/demo v1.0.0: the download"):
        fetch(github)
    assert leftovers(github) == []
    assert fetch(github).fresh


def test_a_file_in_the_cache_that_was_changed_is_fetched_again(github: GitHub) -> None:
    path = fetch(github).path
    path.write_bytes(b"changed")
    assert fetch(github).fresh


def test_nobody_listens(github: GitHub) -> None:
    github.url = "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9/repos/.* cannot be reached \(.*Connection refused"):
        fetch(github)


def test_a_server_that_says_nothing(tmp_path: Path, silent_port: int) -> None:
    github = GitHub(f"http://127.0.0.1:{silent_port}", cache=tmp_path, timeout=(1.0, 0.2))
    with pytest.raises(Late, match=r"did not answer within 0.2 s"):
        fetch(github)


def test_an_address_that_is_no_api(github: GitHub, double: Double) -> None:
    double.faults.append(Fault(200, "hello"))
    with pytest.raises(InputError, match="is no GitHub release"):
        fetch(github)


@pytest.mark.parametrize(
    "url", ["http://api.github.com", "ftp://127.0.0.1", "api.github.com", "https://me:pw@host", ""]
)
def test_only_https_or_loopback(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not https") as caught:
        GitHub(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://api.github.com", "http://127.0.0.1:80", "http://[::1]:80", "http://localhost"]
)
def test_addresses_that_are_taken(url: str) -> None:
    assert check_url(url) == url


def test_the_token_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert read_token(None) is None
    monkeypatch.setenv("GITHUB_TOKEN", "from-environment")
    assert read_token(None) == "from-environment"
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert read_token(file) == "from-file"
    file.write_text("two words\n")
    with pytest.raises(ConfigurationError, match="holds no token"):
        read_token(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_token(tmp_path / "none")


# --- the command -------------------------------------------------------------------------------------------------


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["release", *arguments])
    return int(ended.value.code or 0)


def test_the_command_shows_and_fetches(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IONMAN_GITHUB", double.url)
    assert command("show", DEMO, "v1.0.0") == 0
    shown = capsys.readouterr().out
    assert "demo-1.0.0.tar.gz" in shown
    assert "sha256:" in shown
    assert command("show", DEMO, "v1.0.0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tag"] == "v1.0.0"
    assert command("fetch", DEMO, "v1.0.0", "--output", str(tmp_path / "here"), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["by"] == "checksums"
    assert Path(facts["path"]) == tmp_path / "here/demo-1.0.0.tar.gz"
    assert command("fetch", DEMO, "v9.9.9") == 65
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ionman: release v9.9.9 of ionman/demo")


def test_the_command_publishes_to_a_lab(
    double: Double, github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "STATE", tmp_path / "labs")
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello/hello.py").write_text("application = 1\n")
    assert command("publish", str(tmp_path / "hello"), "v0.1.0", "--lab", "mine") == 69
    assert "there is no lab mine" in capsys.readouterr().err
    lab = place.plan("mine", tmp_path, 1)
    lab.directory.mkdir(parents=True)
    place.save(lab)
    assert command("publish", str(tmp_path / "hello"), "v0.1.0", "--lab", "mine") == 0
    digest = capsys.readouterr().out.split()[-1]
    double.shelf.folder = lab.directory / "github/releases"
    assert fetch(github, "v0.1.0", repository="ionman/hello").trust.digest == digest


# --- the double is shaped as GitHub is ---------------------------------------------------------------------------


def ask(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=5, allow_redirects=False)


def test_releases_have_the_shape_that_a_published_client_expects(double: Double) -> None:
    base = f"{double.url}/repos/{DEMO}"
    release = Release.model_validate(ask(f"{base}/releases/tags/v1.0.0").json())
    assert [asset.name for asset in release.assets] == ["SHA256SUMS", "demo-1.0.0.tar.gz"]
    assert Release.model_validate(ask(f"{base}/releases/{release.id}").json()) == release
    assert Release.model_validate(ask(f"{base}/releases/latest").json()) == release, "not the release candidate"
    assert [Release.model_validate(each).tag_name for each in ask(f"{base}/releases").json()] == [
        "v1.1.0-rc1",
        "v1.0.0",
    ]
    assets = [ReleaseAsset.model_validate(each) for each in ask(f"{base}/releases/{release.id}/assets").json()]
    assert assets == release.assets
    assert ReleaseAsset.model_validate(ask(assets[0].url).json()) == assets[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [("releases/tags/v9", 404), ("releases/5", 404), ("releases/assets/5", 404), ("tarball/v9", 404), ("nothing", 404)],
)
def test_errors_have_the_shape_that_a_published_client_expects(double: Double, path: str, status: int) -> None:
    answer = ask(f"{double.url}/repos/{DEMO}/{path}")
    assert answer.status_code == status
    assert BasicError.model_validate(answer.json()).status == str(status)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert {"x-github-request-id", "x-ratelimit-remaining", "x-github-media-type"} <= {
        name.lower() for name in answer.headers
    }


def test_downloads_are_redirected_to_another_origin(double: Double) -> None:
    base = f"{double.url}/repos/{DEMO}"
    asset = ask(f"{base}/releases/tags/v1.0.0").json()["assets"][1]
    for answer in (
        ask(asset["url"], Accept="application/octet-stream"),
        ask(asset["browser_download_url"]),
        ask(f"{base}/tarball/v1.0.0"),
    ):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith(double.storage_url)
        assert ask(answer.headers["Location"]).status_code == 200
        assert ask(answer.headers["Location"], Authorization="Bearer x").status_code == 400
        assert ask(answer.headers["Location"].split("?")[0]).status_code == 403


def test_nothing_outside_a_release_is_served(double: Double) -> None:
    for path in ("../token", "private", "release.json"):
        assert ask(f"{double.url}/{DEMO}/releases/download/v1.0.0/{path}").status_code == 404


def test_a_release_that_is_published_meanwhile_is_there(github: GitHub, releases: Path, tmp_path: Path) -> None:
    service = tmp_path / "hello"
    (service / "__pycache__").mkdir(parents=True)
    (service / "hello.py").write_text("application = 1\n")
    (service / "__pycache__/hello.pyc").write_bytes(b"x")
    publish(service, releases, "me/hello", "v0.1.0")
    first = fetch(github, "v0.1.0", repository="me/hello")
    publish(service, releases, "me/hello", "v0.1.0")
    (service / "hello.py").write_text("application = 2\n")
    with pytest.raises(InputError, match="exists with other bytes"):
        publish(service, releases, "me/hello", "v0.1.0")
    publish(service, releases, "me/hello", "v0.1.0", replace=True)
    assert fetch(github, "v0.1.0", repository="me/hello").trust.digest != first.trust.digest
    assert sorted(path.name for path in (releases / "me/hello").iterdir()) == ["v0.1.0"]


def test_nothing_to_publish(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "absent"):
        with pytest.raises(InputError, match=r"has no files|is no folder"):
            publish(tmp_path / folder, tmp_path / "releases", DEMO, "v1.0.0")


def test_the_demo_releases_are_the_same_every_time(tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    for folder, text in (("demo", "1"), ("demo-1.1.0", "2")):
        (examples / folder).mkdir(parents=True)
        (examples / folder / "demo.py").write_text(f"application = {text}\n")
    demo_releases(examples, tmp_path / "a")
    (examples / "demo/demo.py").touch()
    opens = demo_releases(examples, tmp_path / "b")
    assert demo_releases(examples, tmp_path / "b") == opens

    def made(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert first.pop("token") != second.pop("token")
    assert first == second
    assert {path.split("/")[2] for path in first if path.startswith(DEMO)} == {"v1.0.0", "v1.1.0"}
    assert (tmp_path / "b/token").stat().st_mode & 0o777 == 0o600


def test_the_double_as_a_program(releases: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    command = [sys.executable, "-m", "ionman.lab.github", "--releases", str(releases), "--state", str(state)]
    with subprocess.Popen(command) as program:
        deadline = time.monotonic() + 20
        while not state.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found = json.loads(state.read_text())
        assert found["pid"] == program.pid
        assert fetch(GitHub(found["url"], cache=tmp_path / "cache")).fresh
        program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
