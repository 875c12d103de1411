"""What the demo makes of Ansible's output, and what it prints at the end."""

from ionman.demo.report import Report
from ionman.plays.playbook import Reader

OUTPUT = """\
PLAY [Build the packages] ******************************************************

TASK [deb : Build the packages] ************************************************
changed: [controller]

TASK [repo : Publish] **********************************************************
fatal: [host1]: FAILED! =>
    changed: false
    msg: the repository is full

PLAY RECAP *********************************************************************
controller                 : ok=2    changed=1    unreachable=0    failed=0
host1                      : ok=1    changed=2    unreachable=0    failed=1
"""


def read() -> tuple[Reader, list[str]]:
    told: list[str] = []
    reader = Reader(told.append)
    for line in OUTPUT.splitlines():
        reader.line(line)
    return reader, told


def test_a_task_is_a_line_of_progress() -> None:
    assert read()[1] == ["deploy: deb : Build the packages", "deploy: repo : Publish"]


def test_what_changed_is_summed_over_the_hosts() -> None:
    assert read()[0].changed == 3


def test_a_failure_is_kept_whole() -> None:
    assert read()[0].failures == [
        "fatal: [host1]: FAILED! =>",
        "    changed: false",
        "    msg: the repository is full",
    ]


def test_turns_are_progress_and_the_verdict_is_kept() -> None:
    told: list[str] = []
    reader = Reader(told.append)
    for line in ("services: host1: canary, begins", "", "VERDICT ****", "deploy FAILED on host1", "host1  why"):
        reader.line(line)
    assert told == ["deploy: host1: canary, begins"]
    assert reader.verdict == ["deploy FAILED on host1", "host1  why"]


def test_the_report_says_when_nothing_changed() -> None:
    report = Report()
    report.add("router", ["wss://localhost:8443/ws", "realm ionman"])
    assert report.text().splitlines()[0] == "router   wss://localhost:8443/ws  realm ionman"
    assert "Nothing changed" in report.text()
    report.changed = True
    assert "Nothing changed" not in report.text()
