"""Everybody who connects verifies chain, name and dates, and says what is wrong: the matrix of who and of what."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ionman import process
from ionman.call import call
from ionman.calls.reach import Trust
from ionman.certificates import refused
from ionman.errors import Unavailable
from tests.router.strangers import NAME, WORDS, serving
from tests.runtime.author import Author

UTILS = Path(__file__).parents[2] / "playbooks/module_utils"
GOOD = "def app_demo_method1(self, argv, details):\n    return self.ok()"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strangers") / "ca.pem"


@pytest.fixture(scope="module")
def strangers(ca: Path) -> Iterator[Mapping[str, int]]:
    with serving(ca.parent) as ports:
        yield ports


@pytest.mark.parametrize("fault", WORDS)
def test_a_client_says_which(strangers: Mapping[str, int], ca: Path, fault: str) -> None:
    address = f"{NAME}:{strangers[fault]}"
    with pytest.raises(Unavailable) as caught:
        call("app.x", routers=[address], realm="ionman", user="a", password="b", ca=ca, deadline=10)
    assert f"{address} is not trusted: its {WORDS[fault]}" in str(caught.value)
    assert caught.value.remedy


def test_a_client_gets_past_tls_where_nothing_is_wrong(strangers: Mapping[str, int], ca: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        call("app.x", routers=[f"{NAME}:{strangers['right']}"], realm="r", user="a", password="b", ca=ca, deadline=5)
    assert "trusted" not in str(caught.value)


def test_a_service_says_which_of_each_router(strangers: Mapping[str, int], ca: Path, tmp_path: Path) -> None:
    routers = ", ".join(f"{NAME}:{port}" for port in strangers.values())
    author = Author(tmp_path, None).shell("demo").module("demo", GOOD).configure(routers=routers, ca=ca)
    try:
        running = author.start()
        for fault, words in WORDS.items():
            running.until_said(f"router {NAME}:{strangers[fault]}: its TLS {words}")
        assert running.ask()["state"] == "connecting"
        assert running.end() == 0
    finally:
        author.close()


# --- apt ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The host's module for apt, loaded under the names by which Ansible loads it there."""
    for name in ("ionman_files", "ionman_services", "ionman_tls", "ionman_words", "ionman_apt"):
        full = f"ansible.module_utils.{name}"
        spec = importlib.util.spec_from_file_location(full, UTILS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, full, module)
        spec.loader.exec_module(module)
    return module


def tried(apt: ModuleType, folder: Path, port: int, ca: Path) -> Any:
    """What a host makes of a repository at `port`: the real apt-get, in a folder of its own."""
    url = f"https://{NAME}:{port}/"
    repository = apt.Repository.__new__(apt.Repository)
    repository.host = SimpleNamespace(run=run)
    repository.root, repository.lists = folder, folder / "lists"
    (repository.lists / "partial").mkdir(parents=True)
    keyring = "/etc/apt/keyrings/ionman.asc"
    repository.files = {
        apt.CA: ca.read_text(),
        keyring: "none",
        "/etc/apt/sources.list.d/ionman.sources": f"Types: deb\nURIs: {url}\nSuites: s\nComponents: main\n",
        # root of this machine may be asked not to become _apt, who cannot read the tests' folders
        "/etc/apt/apt.conf.d/90ionman": f'Acquire::https::{NAME}::CaInfo "{apt.CA}";\nAPT::Sandbox::User "root";\n',
    }
    return repository.try_out()


def run(*command: str) -> tuple[int, str]:
    done = process.run(list(command), check=False, timeout=120)
    return done.returncode, done.stdout


@pytest.mark.parametrize("fault", WORDS)
def test_apt_says_which(strangers: Mapping[str, int], ca: Path, apt: ModuleType, tmp_path: Path, fault: str) -> None:
    meaning, remedy, output = tried(apt, tmp_path, strangers[fault], ca)
    assert meaning == f"not to be trusted: its {WORDS[fault]}"
    assert remedy
    assert "ertificate" in output  # apt itself refuses for it, not only our look


def test_apt_gets_past_tls_where_nothing_is_wrong(
    strangers: Mapping[str, int], ca: Path, apt: ModuleType, tmp_path: Path
) -> None:
    assert "certificate" not in tried(apt, tmp_path, strangers["right"], ca)[0]


def test_hosts_without_ionman_use_the_same_words(apt: ModuleType) -> None:
    there = sys.modules["ansible.module_utils.ionman_tls"].REASONS
    assert {code: what for code, (what, _) in there.items()} == {
        code: reason.what for code, reason in refused.REASONS.items()
    }


# --- a change of authority ------------------------------------------------------------------------------------------


def test_who_stays_follows_the_ca_file(tmp_path: Path, ca: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(ca.read_bytes())
    trust = Trust(path)
    first = trust.context()
    assert trust.context() is first
    other = tmp_path / "new"
    other.write_text("no certificate")
    other.replace(path)
    assert trust.context() is first, "a file that cannot be used leaves what was"
    other.write_bytes(ca.read_bytes() * 2)
    other.replace(path)
    assert trust.context() is not first
