"""What a package is, decided without building one: every case is in tests/cases/deb."""

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import deb
from ionman.command.main import main
from ionman.debs import recipe
from ionman.debs.builder import PACKAGING
from ionman.debs.dist import Wish, read
from ionman.debs.unpack import Tree, unpack
from ionman.errors import InputError, IonmanError
from ionman.release import Trust, Version, version
from ionman.releases.github import Fetched

CASES = Path(__file__).parents[1] / "cases" / "deb"
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"


def cases(name: str) -> list[Any]:
    listed = yaml.safe_load((CASES / name).read_text())
    return [pytest.param(case, id=case.get("why", case.get("repository"))) for case in listed]


def application(tag: str = "v1.0.0") -> deb.Package:
    return deb.package(recipe.load("application"), "demo", version(tag), architecture="amd64")


def render(package: deb.Package, origin: deb.Origin) -> dict[str, deb.File]:
    templates = {path.name: path.read_text() for path in (PACKAGING / "deb").iterdir()}
    return deb.files(package, templates, deb.Build(1767225600, 42, origin.lines(package)))


# --- names and versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("names.yml"))
def test_the_name_of_an_application(case: dict[str, Any]) -> None:
    if case["app"] is None:
        with pytest.raises(InputError, match="cannot name an application"):
            deb.app_name(case["repository"])
    else:
        assert deb.app_name(case["repository"]) == case["app"]


def test_versions_lie_side_by_side() -> None:
    first, second, candidate = application("v1.0.0"), application("v1.1.0"), application("v1.1.0-rc1")
    assert (first.name, first.version, first.prefix) == ("demo-1.0.0", "1.0.0-1", "/opt/demo/1.0.0")
    assert first.file == "demo-1.0.0_1.0.0-1_amd64.deb"
    assert (candidate.name, candidate.version) == ("demo-1.1.0-rc1", "1.1.0~rc1-1")
    origin = deb.Origin(DIGEST)
    shared = set(render(first, origin)) & set(render(second, origin))
    assert all(path.startswith("DEBIAN/") for path in shared), "two versions can be installed at once"


def test_our_own_tools_go_by_the_same_code() -> None:
    ionman = deb.package(
        recipe.load("ionman"), "ionman", Version("0.1.0", "0.1.0"), architecture="amd64", revision="+git1.ab"
    )
    assert (ionman.name, ionman.version, ionman.prefix) == ("ionman", "0.1.0+git1.ab", "/opt/ionman/0.1.0")
    crossbar = deb.package(recipe.load("crossbar"), "crossbar", version("26.10.1"), architecture="amd64")
    assert (crossbar.name, [user.name for user in crossbar.users]) == ("crossbar-26.10.1", ["ionman-router"])


# --- the files of the package ------------------------------------------------------------------------------------


def test_the_control_file() -> None:
    control = render(application(), deb.Origin(DIGEST))["DEBIAN/control"].text
    fields = dict(line.split(": ", 1) for line in control.splitlines() if not line.startswith(" "))
    assert fields["Package"] == "demo-1.0.0"
    assert fields["Depends"] == "python3 (>= 3.11), python3 (<< 3.12), libc6 (>= 2.36), systemd"
    assert fields["Installed-Size"] == "42"


def test_users_and_folders_are_declared_and_applied() -> None:
    files = render(application(), deb.Origin(DIGEST))
    assert files["usr/lib/sysusers.d/demo-1.0.0.conf"].text == 'u ionman-demo - "ionman service demo" -\n'
    assert files["DEBIAN/postinst"].mode == 0o755
    assert "systemd-sysusers demo-1.0.0.conf" in files["DEBIAN/postinst"].text
    assert "tmpfiles" not in files["DEBIAN/postinst"].text
    ionman = deb.package(recipe.load("ionman"), "ionman", Version("0.1.0", "0.1.0"), architecture="amd64")
    tmpfiles = render(ionman, deb.Origin(DIGEST))["usr/lib/tmpfiles.d/ionman.conf"].text
    assert "d /run/ionman 0755 root root -\n" in tmpfiles


def test_every_override_of_lintian_has_a_reason() -> None:
    text = render(application(), deb.Origin(DIGEST))["usr/share/lintian/overrides/demo-1.0.0"].text
    assert text.startswith("# ")
    assert all(line.startswith(("# ", "demo-1.0.0: ")) for line in text.splitlines())


def test_the_provenance() -> None:
    origin = deb.Origin(OTHER, "ionman/demo", "v1.0.0", "https://github.com/ionman/demo", DIGEST)
    declared = {"demo.py": {"procedures": ["app.b", "app.a"], "topics": ["app.t"]}}
    facts = deb.provenance(application(), origin, "0.1.0", declared)
    assert (facts["digest"], facts["lock"], facts["ionman"]) == (DIGEST, OTHER, "0.1.0")
    assert facts["release"] == {"repository": "ionman/demo", "tag": "v1.0.0", "url": "https://github.com/ionman/demo"}
    assert (facts["procedures"], facts["topics"]) == (["app.a", "app.b"], ["app.t"])


@pytest.mark.parametrize(
    ("page", "url"),
    [("http://127.0.0.1:8080/a/demo/releases/tag/v1", ""), ("https://github.com/a/demo", "https://github.com/a/demo")],
)
def test_no_address_of_this_machine_gets_into_a_package(page: str, url: str) -> None:
    text = f"click==8.1.7 --hash={DIGEST}\n"
    tree = Tree({"requirements.lock": (text.encode(), False)}, 5)
    fetched = Fetched("a/demo", "v1.0.0", "demo.tar.gz", page, Path("x"), Trust(DIGEST, "pin"), fresh=True)
    job = recipe.application(application(), fetched, tree, Path("x.whl"))
    assert (job.origin.url, job.epoch, job.origin.inputs) == (url, 5, DIGEST)


# --- locks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("locks.yml"))
def test_a_lock(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(InputError) as caught:
            deb.requirements(case["text"], "requirements.lock")
        assert case["error"] in caught.value.message
        assert "uv pip compile" in caught.value.remedy
        assert "--generate-hashes" in caught.value.remedy
    else:
        assert deb.requirements(case["text"], "requirements.lock") == case["pins"]


def test_a_release_without_a_lock() -> None:
    fetched = Fetched("a/demo", "v1.0.0", "demo.tar.gz", "", Path("x"), Trust(DIGEST, "pin"), fresh=True)
    with pytest.raises(InputError, match=r"demo.tar.gz of a/demo v1.0.0 has no requirements.lock") as caught:
        recipe.application(application(), fetched, Tree({"demo.py": (b"", False)}, 0), Path("x.whl"))
    assert "uv pip compile" in caught.value.remedy


def test_what_is_left_out_on_purpose_is_not_missed() -> None:
    left_out = deb.absent((PACKAGING / "locks/overrides.txt").read_text())
    assert left_out == {"bjdata"}
    check = (
        "Checked 3 packages in 1ms\nFound 2 incompatibilities\n"
        "The package `autobahn` requires `bjdata>=0.3`, but it's not installed\n"
        "The package `twisted` requires `zope-interface>=5`, but `4` is installed\n"
    )
    assert deb.missing(check, left_out) == ["The package `twisted` requires `zope-interface>=5`, but `4` is installed"]


# --- what stands -------------------------------------------------------------------------------------------------


def test_a_package_from_the_same_bytes_stays() -> None:
    assert deb.standing(application(), json.dumps({"inputs": DIGEST}), DIGEST)


@pytest.mark.parametrize("previous", [None, "", "{}", "[]", "half"])
def test_a_package_that_nobody_knows_is_built_again(previous: str | None) -> None:
    assert not deb.standing(application(), previous, DIGEST)


def test_one_version_from_other_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="nothing was built") as caught:
        deb.standing(application(), json.dumps({"inputs": OTHER}), DIGEST)
    assert DIGEST in caught.value.message
    assert OTHER in caught.value.message
    assert "demo-1.0.0_1.0.0-1_amd64.deb" in caught.value.remedy


# --- archives ----------------------------------------------------------------------------------------------------

KINDS = {"file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE, "device": tarfile.CHRTYPE}


def pack(place: Path, members: dict[str, str]) -> Path:
    with tarfile.open(place, "w:gz") as tar:
        for name, kind in members.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = KINDS[kind], "/etc/passwd", 7
            member.size = 1 if kind == "file" else 0
            tar.addfile(member, io.BytesIO(b"x"))
    return place


@pytest.mark.parametrize("case", cases("archives.yml"))
def test_an_archive(case: dict[str, Any], tmp_path: Path) -> None:
    archive = pack(tmp_path / "demo.tar.gz", case["members"])
    if "error" in case:
        with pytest.raises(InputError, match=case["error"]):
            unpack(archive)
    else:
        tree = unpack(archive)
        assert sorted(tree.files) == case["files"]
        assert tree.newest == 7


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08half"])
def test_no_archive(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "demo.tar.gz").write_bytes(data)
    with pytest.raises(InputError, match="is no tar archive"):
        unpack(tmp_path / "demo.tar.gz")


def test_the_services_of_a_release() -> None:
    text = {
        "demo.py": b"x = 1\napplication = M()\n",
        "rpc.py": b"def f():\n    application = 1\n",
        "m/a.py": b"application = 1",
    }
    tree = Tree({name: (data, False) for name, data in text.items()}, 0)
    assert tree.services() == ["demo.py"]


def test_the_settings_of_the_author_stay_out(tmp_path: Path) -> None:
    Tree({"config.ini": (b"password = hush", False), "demo.py": (b"", True)}, 0).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.py"]
    assert (tmp_path / "demo.py").stat().st_mode & 0o777 == 0o755


# --- what the role sends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("states.yml"))
def test_a_state(case: dict[str, Any]) -> None:
    if case["error"]:
        with pytest.raises(IonmanError) as caught:
            read(case["state"])
        assert case["error"] in caught.value.message
        assert caught.value.remedy
    else:
        assert read(case["state"]).output.is_absolute()


def test_a_token_is_in_no_representation() -> None:
    assert "hush" not in repr(Wish("a/b", "v1", token="hush"))


def test_a_state_that_is_no_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("not json"))
    with pytest.raises(SystemExit) as caught:
        main(["deb", "apply"])
    assert caught.value.code == 78
    assert "standard input is no JSON" in capsys.readouterr().err


def test_without_root_nothing_is_built_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as caught:
        main(["deb", "tool", "crossbar", "--output", str(tmp_path / "dist")])
    assert caught.value.code == 71
    assert "a package is built in a clean root, which only root can make" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists()


def test_what_the_services_declare_can_be_asked_of_apt() -> None:
    templates = {path.name: path.read_text() for path in (PACKAGING / "deb").iterdir()}
    build = deb.Build(1767225600, 42, (), ("app.demo.method1", "app.get.planets"), ("app.msg.posted",))
    control = deb.files(application(), templates, build)["DEBIAN/control"].text.splitlines()
    assert "Ionman-Procedures: app.demo.method1 app.get.planets" in control
    assert "Ionman-Topics: app.msg.posted" in control
