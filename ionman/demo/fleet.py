"""The demo on a lab: three hosts, and `ansible-playbook playbooks/deploy.yml` on them, as on anybody's hosts."""

import hashlib
import json
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionman import certificate
from ionman.call import Account, Client
from ionman.demo import answers
from ionman.demo.report import Report, Tell, ini
from ionman.errors import CommandFailed
from ionman.files import write
from ionman.lab import lifecycle, place
from ionman.lab.hosts import Standing
from ionman.plays.playbook import TREE, play
from ionman.probe import Limits, Verdict
from ionman.probes import Probing
from ionman.probes.words import report as words

APP, FIRST, VERSION, REALM = "demo", "1.0.0", "1.1.0", "ionman"
URI, ARGV = "app.demo.method1", {"dummy": "none required"}
RATE = 200.0  # numbered calls a second while the release is replaced
AROUND = 5.0  # s of them before and after


@dataclass(frozen=True)
class Fleet:
    """The demo on lab `name`; with `while_pid` the lab goes down when that process ends.

    `variables` are handed to Ansible beside those of inventory/lab.
    """

    name: str
    tell: Tell
    while_pid: int = 0
    variables: Mapping[str, Any] = field(default_factory=dict)

    def up(self) -> Report:
        """Bring the lab up, with the example's releases at its GitHub endpoint; deploy, replace under load, and call.

        The first release stands before the one of the inventory only where nothing runs yet.
        """
        report = Report()
        report.changed = lifecycle.up(self.name, while_pid=self.while_pid, tell=self.tell)
        lab = Standing(place.load(self.name))
        if not _versions(lab):
            self._deploy(lab, demo_version=FIRST, service_soak=0)
        if _versions(lab) - {VERSION}:
            verdict = self._replace(lab)
            report.changed = True
        else:
            verdict = None
            report.changed |= self._deploy(lab) > 0
        self._tell_all(report, lab, verdict)
        return report

    def _deploy(self, lab: Standing, **variables: object) -> int:
        """Play the deploy of inventory/lab with these variables; the number of changed tasks."""
        extra = json.dumps({**self.variables, **variables})
        return play("deploy", self.name, lab.directory / "log/deploy.log", self.tell, "--extra-vars", extra)

    def _replace(self, lab: Standing) -> Verdict:
        """Deploy what the inventory says while numbered calls go on, and count them."""
        self.tell(f"deploy: replaces the release, while {RATE:g} numbered calls a second go on")
        with Probing(lambda: self._caller(lab, "ops"), APP, RATE, lab.directory / "log/probe.jsonl") as probing:
            time.sleep(AROUND)
            with probing.around():
                self._deploy(lab)
            time.sleep(AROUND)
        # Of latency only the numbers: how fast this machine is, is not the demo's to judge.
        return probing.verdict(Limits(ratio=0))

    def down(self) -> bool:
        """Take the lab down; True when there was one."""
        return lifecycle.down(self.name, self.tell)

    # --- what it tells ------------------------------------------------------------------------------------------

    def _tell_all(self, report: Report, lab: Standing, verdict: Verdict | None) -> None:
        self.tell("looking at what was made")
        _release_and_deb(report)
        asked = {host: _ask(lab, host) for host in lab.names}
        report.add("repo", asked[lab.names[0]]["repo"])
        report.add("host", [f"{host}: {', '.join(one['packages'])}" for host, one in asked.items()])
        port = lab.router_port
        leaf = ssl.get_server_certificate(("localhost", port)).encode()
        url = f"wss://localhost:{port}/ws"
        report.add("router", [url, f"realm {REALM}", f"certificate {certificate.fingerprint(leaf)}"])
        running = [f"{one['program']} on {host} pid {one['pid']}" for host in asked for one in asked[host]["instances"]]
        report.add("service", running)
        with self._caller(lab, "alice") as alice, self._caller(lab, "ops") as ops:
            answered, answer = answers.until_all(alice, ops, APP, URI, ARGV)
        report.add("call", [URI, json.dumps(answer), f"answered by {', '.join(sorted(answered))}"])
        if verdict:
            report.add("probe", [words(verdict).removeprefix("probe of ")])
            report.failed = not verdict.clean
        alice_ini = ini(REALM, "alice", port, _secret(lab, "alice"), lab.directory / "ca/ca.pem")
        write(lab.directory / "call.ini", alice_ini, mode=0o600)
        report.hints = self._hints(lab, port)

    def _caller(self, lab: Standing, user: str) -> Client:
        password = _secret(lab, user)
        return Client([f"localhost:{lab.router_port}"], Account(REALM, user, password), ca=lab.directory / "ca/ca.pem")

    def _hints(self, lab: Standing, port: int) -> list[str]:
        command = Path(sys.executable).with_name("ionman")
        return [
            f"  look around   {command} lab ssh {self.name} host1",
            f"  call          {command} call --config {lab.directory}/call.ini {URI}",
            f"  the page      https://localhost:{port}/ (authority: {lab.directory}/ca/ca.pem)",
            f"                as alice, with the password in {lab.directory}/secrets/alice",
            f"  take it down  {command} lab down {self.name}",
        ]


def _versions(lab: Standing) -> set[str]:
    """The versions of the example that run on the hosts."""
    found = set()
    for host in lab.names:
        with lab.connect(host) as connection:
            answer = connection.run("ionman host status --json", hide=True, warn=True)
        rows = json.loads(answer.stdout) if answer.ok else []  # no ionman there yet
        found |= {row["version"] for row in rows if row["program"].startswith(f"{APP}.")}
    return found


def _secret(lab: Standing, user: str) -> str:
    """The password that the inventory made on first use (inventory/lab/group_vars/all.yml)."""
    return (lab.directory / "secrets" / user).read_text().strip()


def _release_and_deb(report: Report) -> None:
    dist = TREE / "build/dist"
    deb = next(dist.glob(f"{APP}-{VERSION}_*.deb"))
    build: dict[str, Any] = json.loads(deb.with_suffix(".json").read_text())
    release = build["release"]
    report.add("release", [f"{release['repository']} {release['tag']}", build["digest"]])
    report.add("deb", [deb.name, f"sha256:{hashlib.sha256(deb.read_bytes()).hexdigest()}"])


def _ask(lab: Standing, host: str) -> dict[str, Any]:
    """What is on one host: our packages, the repository it installs from and its key, the instances that run."""
    with lab.connect(host) as connection:

        def ask(command: str) -> str:
            # dpkg-query ends with 1 when one of the patterns has no package: a host need not be a router
            answer = connection.run(command, hide=True, warn=True)
            if answer.exited not in (0, 1):
                raise CommandFailed(
                    f"{command.partition(' ')[0]} on {host}", answer.exited, answer.stdout + answer.stderr
                )
            return str(answer.stdout)

        packages = [line.split() for line in ask(_PACKAGES).splitlines()]
        return {
            "packages": [f"{name} {version}" for status, name, version in packages if status == "ii"],
            "repo": [ask(f"sed -n 's/^URIs: //p' {_SOURCE}").strip(), f"signed by {_fingerprint(ask(_KEY))}"],
            "instances": [one for one in json.loads(ask("ionman host status --json")) if one["generation"]],
        }


_SOURCE = "/etc/apt/sources.list.d/ionman.sources"
_PACKAGES = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n' ionman 'crossbar-*' 'demo-*'"
# A home of its own, for gpg makes one where it has none.
_KEYRING = "/etc/apt/keyrings/ionman.asc"
_KEY = f'home=$(mktemp -d) && gpg -q --homedir "$home" --show-keys --with-colons {_KEYRING}; rm -r "$home"'


def _fingerprint(colons: str) -> str:
    """The first key's fingerprint in gpg's output (doc/DETAILS of GnuPG: record fpr, field 10)."""
    return next(line.split(":")[9] for line in colons.splitlines() if line.startswith("fpr:"))
