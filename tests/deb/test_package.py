"""The packages on a Debian: what lintian, dpkg and reprepro say of them, and that what is in them runs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ionman import process
from ionman.debs import builder, recipe
from ionman.debs.dist import apply
from ionman.debs.unpack import unpack
from ionman.lab.root import Root
from ionman.releases.github import GitHub
from tests.deb.conftest import Dist

ALL = ["demo-1.0.0", "demo-1.1.0", "ionman", "crossbar-26.10.1"]


def install(root: Root, *debs: Path) -> None:
    bind = {deb: f"/debs/{deb.name}" for deb in debs}
    root.run(["dpkg", "-i", *(f"/debs/{deb.name}" for deb in debs)], read=bind)


@pytest.mark.parametrize("package", ["demo-1.0.0", "ionman", "crossbar-26.10.1"])
def test_lintian_reports_no_error(dist: Dist, package: str) -> None:
    done = process.run(["lintian", "--allow-root", "--fail-on", "error", dist.deb(package)], check=False)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("E:")]


def test_two_versions_are_installed_side_by_side(dist: Dist, root: Root) -> None:
    install(root, dist.deb("demo-1.0.0"), dist.deb("demo-1.1.0"))
    for version in ("1.0.0", "1.1.0"):
        python = f"/opt/demo/{version}/venv/bin/python"
        answer = root.run([python, "-m", "ionman.runtime.declare", f"/opt/demo/{version}/app/demo.py"])
        declared = json.loads(answer.stdout)
        build = json.loads(root.run(["cat", f"/opt/demo/{version}/build.json"]).stdout)
        assert build["procedures"] == declared["procedures"]
        assert "app.demo.method1" in declared["procedures"]
        assert build["version"] == version
        assert root.run([f"/opt/demo/{version}/venv/bin/twistd", "--version"]).stdout.startswith("twistd")
    assert root.run(["id", "-un", "ionman-demo"]).stdout == "ionman-demo\n"
    assert root.run(["dpkg", "--verify", "demo-1.0.0", "demo-1.1.0"]).stdout == ""
    root.run(["dpkg", "--purge", "demo-1.0.0"])
    assert not root.run(["find", "/opt/demo/1.0.0"], check=False).stdout.startswith("/opt")
    assert root.run(["find", "/opt/demo/1.1.0/app/demo.py"]).stdout


def test_the_tools_run(dist: Dist, root: Root) -> None:
    install(root, dist.deb("ionman"), dist.deb("crossbar-26.10.1"))
    assert root.run(["ionman", "--version"]).stdout.startswith("ionman")
    assert "Crossbar.io" in root.run(["/opt/crossbar/26.10.1/venv/bin/crossbar", "--help"]).stdout
    accounts = root.run(["id", "-un", "ionman-router"]).stdout + root.run(["id", "-un", "ionman-log"]).stdout
    assert accounts == "ionman-router\nionman-log\n"
    folders = root.run(["stat", "-c", "%a %U %n", "/etc/ionman", "/var/lib/ionman", "/var/log/ionman"]).stdout
    assert {line.split(" /")[0] for line in folders.splitlines()} == {"755 root"}


@pytest.mark.parametrize("package", ALL)
def test_nothing_of_the_build_is_left_in_it(dist: Dist, package: str) -> None:
    listing = process.run(["dpkg-deb", "-c", dist.deb(package)]).stdout.splitlines()
    names = [line.split()[5] for line in listing]
    owners = {line.split()[1] for line in listing}
    assert owners == {"root/root"}
    assert not [
        name for name in names if name.endswith(("uv_cache.json", "direct_url.json", "/venv/.lock", "/activate"))
    ]
    assert not [name for name in names if "/site-packages/pip/" in name or "/.cache/" in name]
    assert all(line[8] != "w" for line in listing if not line.startswith("l")), "nothing that others may write"
    sources = {name for name in names if name.endswith("/twisted/internet/defer.py")}
    assert len(sources) == len([name for name in names if name.endswith("/internet/__pycache__/defer.cpython-311.pyc")])


def test_the_page_that_the_router_serves_is_in_the_package(dist: Dist) -> None:
    listing = process.run(["dpkg-deb", "-c", dist.deb("ionman")]).stdout
    assert "/site-packages/ionman/web/static/index.html" in listing
    assert "/site-packages/ionman/web/static/ionman.js" in listing


def test_the_note_beside_the_package(dist: Dist) -> None:
    note = json.loads(dist.deb("demo-1.0.0").with_suffix(".json").read_text())
    assert note["sha256"] == dist.outcomes["demo-1.0.0"].digest
    assert note["release"] == {"repository": "ionman/demo", "tag": "v1.0.0", "url": ""}
    assert note["digest"].startswith("sha256:")
    assert "app.demo.method1" in note["procedures"]


def test_what_stands_is_not_built_again(dist: Dist) -> None:
    state = replace(dist.state, tools=("crossbar",))
    for outcome in (*apply(state, print), *apply(state, print, check=True)):
        assert not outcome.changed
        assert outcome.path == dist.outcomes[outcome.package].path


def test_the_version_of_ionman_is_that_of_its_content(tmp_path: Path) -> None:
    with builder.runtime_wheel() as wheel:
        first, again = (recipe.tool("ionman", wheel).package for _ in range(2))
        other = tmp_path / wheel.name
        other.write_bytes(wheel.read_bytes() + b"!")
        assert first.version == again.version
        assert first.version != recipe.tool("ionman", other).package.version


def test_the_same_inputs_give_the_same_bytes(dist: Dist, tmp_path: Path) -> None:
    github = GitHub(dist.double.url)
    fetched = github.fetch(github.look("ionman/demo", "v1.0.0"))
    package = recipe.application_package("ionman/demo", "v1.0.0")
    made = set()
    with builder.runtime_wheel() as wheel:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            job = recipe.application(package, fetched, unpack(fetched.path), wheel)
            made.add(builder.build(job, tmp_path / name, print).digest)
    assert len(made) == 1


def test_a_repository_takes_the_packages(dist: Dist, root: Root) -> None:
    """reprepro and apt of Debian 12 read what dpkg-deb compressed with zstd."""
    conf = "Codename: bookworm\nArchitectures: amd64 arm64\nComponents: main\n"
    root.run(["sh", "-c", "mkdir -p /repo/conf && cat >/repo/conf/distributions"], stdin=conf)
    debs = {dist.deb(name): f"/debs/{dist.deb(name).name}" for name in ("demo-1.0.0", "demo-1.1.0")}
    root.run(["reprepro", "-b", "/repo", "includedeb", "bookworm", *debs.values()], read=debs)
    line = "deb [trusted=yes] file:/repo bookworm main\n"
    root.run(["sh", "-c", "cat >/etc/apt/sources.list; rm -rf /etc/apt/sources.list.d/*"], stdin=line)
    root.run(["apt-get", "-q", "update"])
    root.run(["apt-get", "-q", "-y", "install", "demo-1.0.0=1.0.0-1"])
    assert root.run(["/opt/demo/1.0.0/venv/bin/python", "-c", "import ionman"]).stdout == ""
