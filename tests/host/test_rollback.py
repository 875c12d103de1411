"""Back to the last good generation, with what is on the host."""

import json
import shutil
from pathlib import Path

import pytest

from ionman import process
from ionman.errors import InputError, Unavailable
from ionman.hosts import record
from ionman.hosts.rollback import Way
from tests.host.conftest import HURRIED, Host
from tests.host.test_killed import killed
from tests.host.watch import Watch

SCANNER = HURRIED


def test_back_and_further_back(host: Host) -> None:
    with pytest.raises(InputError, match="demo does not run here"):
        host.rollback()
    host.apply(host.document(instances=2))
    with pytest.raises(InputError, match=r"demo: no generation before [0-9a-f]{8} was good on this host"):
        host.rollback()
    host.apply(host.document("1.1.0", instances=1))
    host.apply(host.document("1.1.0", title="Other"))
    with Watch(host) as watch:
        outcome = host.rollback()
    assert watch.fewest == 1
    (service,) = outcome.document()["services"]
    assert (service["result"], service["to"]["instances"]) == ("done", 1)
    assert host.rollback().changed
    assert host.versions() == ["1.0.0"]
    assert host.history()[3:] == [
        ("rollback", "1.1.0 x1", "1.1.0 x1", "done"),
        ("rollback", "1.1.0 x1", "1.0.0 x1", "done"),
    ]
    with pytest.raises(InputError, match=r"failed on .*: rolled back"):
        host.apply(host.document("1.1.0"))
    assert not host.apply(host.document(instances=1)).changed
    host.apply(host.document("1.1.0", how={"retry": True}))
    assert host.versions() == ["1.1.0"]


def test_what_is_newer_and_answers_less_is_refused(host: Host) -> None:
    uris = {"2.0.0": ["app.demo.method1", "app.demo.method2"], "2.1.0": ["app.demo.method1"]}
    documents = {}
    for version, answers in uris.items():
        host.release(version, build=json.dumps({"services": {"demo.py": {"procedures": answers}}}))
        documents[version] = host.document(version, app_answers=" ".join(answers))
    host.apply(documents["2.0.0"])
    pids = host.pids()
    with pytest.raises(InputError, match=r"version 2\.1\.0 does not answer app\.demo\.method2") as caught:
        host.apply(documents["2.1.0"])
    assert "nothing was changed; with `allow_gap: true`" in str(caught.value)
    assert host.pids() == pids


def test_one_that_does_not_work_is_put_forward_again(host: Host) -> None:
    host.apply(host.document())
    host.apply(host.document("1.1.0"))
    new = host.pids()
    twistd = host.layout.release("demo", "1.0.0") / "venv/bin/twistd"
    twistd.unlink()
    with pytest.raises(Unavailable, match="did not become ready") as caught:
        host.rollback()
    assert "left as it was" in str(caught.value)
    assert host.pids() == new
    assert sorted(host.marks().values()) == ["failed", "good"]
    assert not host.apply(host.document("1.1.0")).changed


def test_a_roll_that_was_interrupted_is_taken_back(host: Host) -> None:
    host.apply(host.document(instances=2))
    old = host.pids()
    assert not killed(host, host.document("1.1.0", instances=2), 22)
    assert "1.1.0" in host.versions()
    host.rollback()
    assert host.versions() == ["1.0.0", "1.0.0"]
    assert set(old.items()) & set(host.pids().items())
    assert sorted(host.marks().values()) == ["failed", "good"]
    assert [row[3] for row in host.history()] == ["done", "interrupted", "done"]


def test_to_what_another_host_knows(host: Host) -> None:
    """The host came with 1.1.0 and has never run 1.0.0, which was good elsewhere and is installed here too."""
    host.apply(host.document())
    (old,) = host.marks()
    lent = record.memory_of(host.layout, "demo").records[old].entry
    host.apply(host.document("1.1.0", instances=2))
    record.forget(host.layout, "demo", old)
    with pytest.raises(InputError, match=f"demo: generation {old} is not in the record of this host"):
        host.rollback(way=Way(old))
    strange = json.loads(host.document(title="Of another host"))["services"][0]
    with pytest.raises(InputError, match=f"what is {old} on another host would be [0-9a-f]{{8}} on this one"):
        host.rollback(way=Way(old, strange))
    with pytest.raises(InputError, match=r"demo 3.0.0 is not installed on this host"):
        host.rollback(way=Way(old, {**strange, "version": "3.0.0"}))
    with Watch(host) as watch:
        assert host.rollback(way=Way(old, lent)).changed
    assert watch.fewest == 2
    assert (host.versions(), host.marks()[old]) == (["1.0.0", "1.0.0"], "good")
    assert not host.rollback(way=Way(old, lent)).changed


def test_without_blame_what_is_left_may_be_deployed_again(host: Host) -> None:
    host.apply(host.document())
    (old,) = host.marks()
    host.apply(host.document("1.1.0"))
    host.rollback(way=Way(old, blame=False))
    assert host.marks() == {old: "good"}
    host.apply(host.document("1.1.0"))
    assert host.versions() == ["1.1.0"]


def test_what_runs_again_after_a_while_was_good_last(host: Host) -> None:
    """The host had no instance when the others went back: what it has kept as good is not what it goes back to."""
    host.apply(host.document())
    (old,) = host.marks()
    host.apply(host.document("1.1.0", how={"allow_gap": True}))
    host.apply(host.document("1.1.0", instances=0, how={"allow_gap": True}))
    host.apply(host.document())
    host.apply(host.document(title="New"))
    host.rollback()
    assert [name.split(".")[1] for name in host.programs] == [old]


def test_the_commands(host: Host, ionman: Path) -> None:
    host.apply(host.document())
    host.apply(host.document("1.1.0"))
    shutil.rmtree(host.layout.configuration / "demo")  # what is remembered is enough

    def run(*arguments: str) -> tuple[int, str]:
        done = process.run([ionman, "host", *arguments, "--root", host.layout.root], check=False)
        return done.returncode, done.stdout

    status, text = run("rollback", "demo", "--check")
    assert (status, text.splitlines()[-1]) == (0, "nothing was changed: only a check")
    status, text = run("rollback", "demo", "--json", "--who", "alice", "--deploy", "d1", "--what", "put back")
    assert status == 0
    (service,) = json.loads(text.splitlines()[-1])["services"]
    assert (service["from"]["version"], service["to"]["version"]) == ("1.1.0", "1.0.0")
    status, text = run("history", "demo", "--json", "--last", "1")
    (row,) = json.loads(text)
    assert (row["who"], row["deploy"], row["what"], row["result"]) == ("alice", "d1", "put back", "done")
    assert row["took"] > 0
    status, text = run("history")
    assert len(text.splitlines()) == 4
    assert text.splitlines()[0].split() == ["WHEN", "WHO", "WHAT", "SERVICE", "FROM", "TO", "TOOK", "RESULT"]
    (old,) = [name for name, mark in host.marks().items() if mark == "good"]
    status, text = run("rollback", "demo", "--no-blame", "--to", old)
    assert (status, text.splitlines()[-1]) == (0, "nothing to do")
    assert run("rollback", "demo", "--to", "deadbeef", "--lent")[0] == 65
    assert run("history", "other") == (0, "nothing was deployed here\n")
    assert run("rollback", "demo")[0] == 65
