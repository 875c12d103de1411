"""From a package on the controller to an installed one, through a repository that the hosts prove first.

A lab of its own, so that hosts are known to be untouched at the start. The packages are made here and hold one file.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ionman.certificate import authority, leaf
from ionman.lab import lifecycle
from ionman.lab.hosts import Standing

NAME = "test-repo"
ROOT = Path(__file__).parents[2]
PLAYBOOK = ROOT / "tests/fleet/playbooks/repo.yml"
FOLDER = "/var/lib/ionman-repo"
DIST = f"{FOLDER}/www/dists/bookworm"
GPG = f"GNUPGHOME={FOLDER}/gnupg gpg --batch --quiet --yes"


@dataclass
class Answer:
    """How a playbook ended: its words, and for each host the counters of the recap."""

    status: int
    text: str
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.counts.values())


class Fleet:
    """Two hosts, the folder of packages, and the playbook that brings one to the other."""

    def __init__(self, lab: Standing, folder: Path) -> None:
        self.lab = lab
        self.debs = folder / "dist"
        self.debs.mkdir()
        self.folder = folder
        self.variables: dict[str, Any] = {
            "repo_debs": str(self.debs),
            "certificate_dir": str(folder / "ca"),
            "repo_name": "host1",
            "certificate_names": ["host1"],
            "certificate_extra_names": [],
            "host_tools": ["probetool"],
            "host_packages": ["probe-1.0.0"],
        }

    def deploy(self, *arguments: str, **variables: Any) -> Answer:
        given = json.dumps(self.variables | variables)
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "inventory/lab",
            str(PLAYBOOK),
            "-e",
            given,
        ]
        environment = {**os.environ, "IONMAN_LAB": NAME, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        rows = re.findall(r"^(\S+) +: (ok=.*)$", done.stdout, re.MULTILINE)
        counts = {host: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", row)} for host, row in rows}
        return Answer(done.returncode, done.stdout + done.stderr, counts)

    def install(self, *packages: Any, **variables: Any) -> Answer:
        """Only the hosts' play, on the host that is not the repository's."""
        return self.deploy("--tags", "host", "--limit", "host2", host_packages=list(packages), **variables)

    def said(self, host: str, command: str) -> str:
        with self.lab.connect(host) as connection:
            return str(connection.run(command, hide=True, in_stream=False).stdout).strip()

    def package(self, name: str, version: str, text: str = "probe") -> Path:
        """Make a package whose release brings `text`, as an application's would lie there."""
        app, _, release = name.rpartition("-")
        tree = self.folder / "tree"
        place = tree / "opt" / (app or name) / (release or version)
        for path, content in {
            tree / "DEBIAN/control": f"Package: {name}\nVersion: {version}\nArchitecture: all\nSection: misc\n"
            f"Priority: optional\nMaintainer: Probe <probe@example.org>\nDescription: {text}\n",
            place / "build.json": "{}\n",
            place / "text": text * 1000,
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        file = self.debs / f"{name}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, file], check=True, capture_output=True)
        subprocess.run(["rm", "-r", tree], check=True)
        return file

    def state(self, host: str = "host2") -> str:
        """Everything that a refused deploy must leave alone."""
        return self.said(
            host,
            "dpkg-query -W; ls /opt /opt/*; ls -d /run/ionman* || true;"
            " find /etc /var/lib/apt/lists -type f -not -name lock | sort | xargs sha256sum",
        )


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    lifecycle.down(NAME)
    lifecycle.up(NAME, 2, os.getpid())
    fleet = Fleet(Standing(NAME), tmp_path_factory.mktemp("repo"))
    fleet.package("probe-1.0.0", "1.0.0-1")
    fleet.package("probetool", "0.1.0")
    yield fleet
    lifecycle.down(NAME)


def test_untouched_hosts_can_be_checked(fleet: Fleet) -> None:
    before = fleet.state("host1"), fleet.state("host2")
    answer = fleet.deploy("--check", "--diff")
    assert answer.status == 0, answer.text
    assert "+probe-1.0.0" in answer.text
    assert answer.changed > 0
    assert (fleet.state("host1"), fleet.state("host2")) == before
    assert not (fleet.folder / "ca").exists()


def test_a_package_reaches_the_hosts_once(fleet: Fleet) -> None:
    first = fleet.deploy()
    assert first.status == 0, first.text
    for host in ("host1", "host2"):
        assert fleet.said(host, "cat /opt/probe/1.0.0/build.json") == "{}"
        assert fleet.said(host, "dpkg-query -W probetool").split() == ["probetool", "0.1.0"]
    again = fleet.deploy()
    assert (again.status, again.changed) == (0, 0), again.text
    checked = fleet.deploy("--check", "--diff")
    assert (checked.status, checked.changed) == (0, 0), checked.text


def test_the_key_is_trusted_for_this_repository_alone(fleet: Fleet) -> None:
    assert fleet.said("host2", "find /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d -newer /etc/hostname || true") == ""
    assert "Signed-By: /etc/apt/keyrings/ionman.asc" in fleet.said(
        "host2", "cat /etc/apt/sources.list.d/ionman.sources"
    )
    assert fleet.said("host1", f"stat -c %a {FOLDER}/gnupg") == "700"
    assert fleet.said("host1", "stat -c '%a %U' /etc/ionman/tls/repo.key") == "600 root"


def test_only_the_repository_is_public(fleet: Fleet) -> None:
    paths = ["/", "/dists/", "/pool/", "/conf/distributions", "/gnupg/pubring.kbx", "/dists/bookworm/InRelease"]
    ask = "curl -s --path-as-is --cacert /etc/ionman/ca.pem -o /dev/null -w '%{http_code} ' "
    answer = fleet.said("host2", ask + " -o /dev/null ".join(f"https://host1:8444{path}" for path in paths))
    assert answer.split() == ["404", "403", "403", "404", "404", "200"]


def test_two_versions_stand_side_by_side_and_a_tool_follows(fleet: Fleet) -> None:
    fleet.package("probe-1.1.0", "1.1.0-1")
    fleet.package("probetool", "0.2.0")
    answer = fleet.deploy(host_packages=["probe-1.0.0", {"name": "probe-1.1.0", "version": "1.1.0"}])
    assert answer.status == 0, answer.text
    assert fleet.said("host2", "ls /opt/probe").split() == ["1.0.0", "1.1.0"]
    assert fleet.said("host2", "dpkg-query -W probetool").split() == ["probetool", "0.2.0"]


def test_other_bytes_of_a_version_are_refused(fleet: Fleet) -> None:
    file = next(fleet.debs.glob("probe-1.0.0_*"))
    before, published = file.read_bytes(), fleet.said("host1", f"cat {DIST}/InRelease")
    fleet.package("probe-1.0.0", "1.0.0-1", text="other")
    answer = fleet.deploy("--limit", "host1", "--tags", "repo")
    file.write_bytes(before)
    assert answer.status != 0
    assert "differs from the probe-1.0.0_1.0.0-1_all.deb that the repository has" in answer.text
    assert "Traceback" not in answer.text
    assert fleet.said("host1", f"cat {DIST}/InRelease") == published


SIGN = f"{GPG} --clearsign -o {DIST}/InRelease {DIST}/Release && {GPG} -ab -o {DIST}/Release.gpg {DIST}/Release"
REPLACE_KEY = f"mv {FOLDER}/gnupg {FOLDER}/kept && mkdir -m 700 {FOLDER}/gnupg"
OTHER_KEY = f"{REPLACE_KEY} && {GPG} --passphrase '' --quick-generate-key other ed25519 sign never 2>&1 && {SIGN}"
PACKAGES = f"{DIST}/main/binary-amd64/Packages"
POOL = f"$(find {FOLDER}/www/pool -type f -name 'probe-1.2.0*')"
ALTER = f"cp {POOL} {FOLDER}/db/kept && printf X | dd of={POOL} bs=1 seek=300 conv=notrunc status=none"
EXPIRE = f"sed -i 's/^Valid-Until: .*/Valid-Until: Sun, 01 Nov 2020 00:00:00 UTC/' {DIST}/Release && {SIGN}"
SABOTAGE = {  # what is done to the repository, what the deploy says of it, how it is mended
    "unsigned": (f"rm {DIST}/InRelease {DIST}/Release.gpg", "is unsigned", "true"),
    "packages altered": (f"echo >> {PACKAGES}; rm {PACKAGES}.gz", "is altered", "true"),
    "release altered": (f"sed -i 's/^Label: .*/Label: other/' {DIST}/InRelease", "is altered", "true"),
    "package altered": (ALTER, "not what was signed", f"mv {FOLDER}/db/kept {POOL}"),
    "expired": (EXPIRE, "is expired", "true"),
    "another key": (OTHER_KEY, "is not signed by the key", f"rm -r {FOLDER}/gnupg && mv {FOLDER}/kept {FOLDER}/gnupg"),
    "unreachable": ("systemctl stop ionman-repo", "is unreachable", "systemctl start ionman-repo"),
}


@pytest.fixture(scope="module")
def newer(fleet: Fleet) -> Fleet:
    """The fleet with a release published that no host has."""
    fleet.package("probe-1.2.0", "1.2.0-1")
    answer = fleet.deploy("--tags", "repo")
    assert answer.status == 0, answer.text
    return fleet


@pytest.mark.parametrize("how", SABOTAGE)
def test_a_repository_that_cannot_be_trusted_is_refused(newer: Fleet, how: str) -> None:
    sabotage, words, mend = SABOTAGE[how]
    before = newer.state()
    newer.said("host1", sabotage)
    answer = newer.install("probe-1.2.0")
    newer.said("host1", f"{mend}; systemctl start ionman-repo-export.service")
    assert answer.status != 0, answer.text
    assert words in " ".join(answer.text.split()), answer.text
    assert "Nothing was changed" in " ".join(answer.text.split())
    assert "Traceback" not in answer.text
    assert newer.state() == before


def test_another_authority_is_refused(newer: Fleet, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(authority("other").certificate)
    before = newer.state()
    answer = newer.install("probe-1.2.0", host_ca=str(other))
    assert answer.status != 0
    assert "its certificate is from another authority" in " ".join(answer.text.split()), answer.text
    assert newer.state() == before


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("probe-9.9.9", "has no package probe-9.9.9 (of this application it has: probe-1.0.0,"),
        ({"name": "probe-1.2.0", "version": "7"}, "has no version 7 of probe-1.2.0 (it has: 1.2.0-1)"),
        ("no-such-thing", "Unable to locate package no-such-thing"),
    ],
    ids=["release", "version", "package"],
)
def test_what_the_repository_has_not_is_said(newer: Fleet, package: Any, words: str) -> None:
    before = newer.state()
    answer = newer.install(package)
    assert answer.status != 0
    assert words in " ".join(answer.text.split()), answer.text
    assert newer.state() == before


def test_a_signature_near_its_end_is_renewed_by_a_deploy(newer: Fleet) -> None:
    newer.said("host1", EXPIRE)
    answer = newer.deploy("--tags", "repo")
    assert (answer.status, answer.changed) == (0, 1), answer.text
    assert newer.install("probe-1.0.0", "probe-1.1.0").status == 0


def test_a_port_in_use_is_said(newer: Fleet) -> None:
    newer.said("host1", "systemd-run -q --unit taken python3 -m http.server --bind host1 8555 && sleep 1")
    answer = newer.deploy("--tags", "repo", repo_port=8555)
    newer.said("host1", "systemctl stop taken")
    assert answer.status != 0
    assert "bind() to 10.77.0.11:8555 failed (98: Address already in use)" in " ".join(answer.text.split())
    assert newer.deploy("--tags", "repo").status == 0


def test_a_dpkg_that_was_interrupted_is_finished(newer: Fleet) -> None:
    newer.said(
        "host2",
        "apt-get -qq update && cd /run && apt-get -q download probe-1.2.0 2>&1"
        " && dpkg --unpack probe-1.2.0*.deb && rm probe*",
    )
    assert newer.said("host2", "dpkg-query -W -f '${db:Status-Abbrev}' probe-1.2.0") == "iU"
    answer = newer.install("probe-1.2.0")
    assert answer.status == 0, answer.text
    assert newer.said("host2", "dpkg-query -W -f '${db:Status-Abbrev}' probe-1.2.0") == "ii"


HOLD = """
import fcntl, time
files = [open("/var/lib/dpkg/" + name, "a") for name in ("lock-frontend", "lock")]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(6)
"""


def test_an_apt_that_a_killed_deploy_left_at_work_is_waited_for(newer: Fleet) -> None:
    """It holds dpkg's locks, and what it has not configured yet looks like an interrupted dpkg."""
    newer.said("host2", "dpkg --remove probe-1.2.0 && cd /run && apt-get -q download probe-1.2.0 2>&1")
    newer.said("host2", f"dpkg --unpack /run/probe*.deb && rm /run/probe* && systemd-run -q python3 -c '{HOLD}'")
    answer = newer.install("probe-1.2.0")
    assert answer.status == 0, answer.text
    assert newer.said("host2", "dpkg-query -W -f '${db:Status-Abbrev}' probe-1.2.0") == "ii"


def test_a_lock_that_a_killed_reprepro_left_is_no_obstacle(newer: Fleet) -> None:
    newer.said("host1", f"touch {FOLDER}/db/lockfile")
    newer.package("probe-1.3.0", "1.3.0-1")
    answer = newer.deploy(host_packages=["probe-1.3.0"])
    assert answer.status == 0, answer.text


def test_old_releases_go_but_not_the_used_nor_the_held(newer: Fleet) -> None:
    """A host keeps three and one that a program uses; the repository keeps three and one that it is told to hold."""
    newer.said(
        "host2",
        "mkdir -p /var/lib/ionman/supervise/probe.a.1 && echo exec /opt/probe/1.1.0/venv/bin/twistd"
        " > /var/lib/ionman/supervise/probe.a.1/run",
    )
    newer.package("probe-1.4.0", "1.4.0-1")
    answer = newer.deploy(host_packages=["probe-1.3.0", "probe-1.4.0"], repo_hold=["probe-1.0.0"])
    assert answer.status == 0, answer.text
    assert newer.said("host2", "ls /opt/probe").split() == ["1.1.0", "1.2.0", "1.3.0", "1.4.0"]
    listed = newer.said("host1", f"grep ^Package: {DIST}/main/binary-amd64/Packages")
    assert re.findall(r"probe-(\d\S+)", listed) == ["1.0.0", "1.2.0", "1.3.0", "1.4.0"]


def test_a_certificate_with_more_names_is_made_and_served(newer: Fleet) -> None:
    show = "echo | openssl s_client -connect host1:8444 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    answer = newer.deploy("--tags", "repo", "--diff", certificate_extra_names=["packages.example.org"])
    assert answer.status == 0, answer.text
    assert "packages.example.org" in newer.said("host1", show)
    assert "PRIVATE KEY" not in answer.text
    again = newer.deploy("--tags", "repo", certificate_extra_names=["packages.example.org"])
    assert (again.status, again.changed) == (0, 0), again.text


def test_a_restart_that_an_interrupted_deploy_owes_is_made_up_for(newer: Fleet) -> None:
    """A deploy that was killed between the new certificate and the restart left nginx with the old one."""
    since = "systemctl show -P ActiveEnterTimestampMonotonic ionman-repo"
    newer.said("host1", "sleep 1.1; touch /etc/ionman/tls/repo.pem")
    before = newer.said("host1", since)
    answer = newer.deploy("--tags", "repo")
    assert (answer.status, answer.changed) == (0, 1), answer.text
    assert newer.said("host1", since) != before
    assert newer.deploy("--tags", "repo").changed == 0


def test_a_certificate_that_is_handed_in_must_fit(newer: Fleet, tmp_path: Path) -> None:
    ca = authority("of others")
    files = {"certificate": leaf(ca, ["host1"]).certificate, "key": leaf(ca, ["host1"]).key, "ca": ca.certificate}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    given = {f"certificate_{name}": str(tmp_path / name) for name in files}
    answer = newer.deploy("--tags", "repo", **given)
    assert answer.status != 0
    assert "the key is not" in " ".join(answer.text.split())
    pair = leaf(ca, ["host1"])
    (tmp_path / "certificate").write_bytes(pair.certificate)
    (tmp_path / "key").write_bytes(pair.key)
    answer = newer.deploy(**given, host_packages=["probe-1.4.0"])
    assert answer.status == 0, answer.text
    assert "of others" in newer.said("host1", "echo | openssl s_client -connect host1:8444 2>/dev/null")
