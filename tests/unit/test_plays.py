"""What is handed to one host, what its module makes of it, and the command lines of the verbs."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from ionman import process
from ionman.command.main import ionman
from ionman.errors import InputError
from ionman.plays import fleet, run, verdict
from ionman.plays.playbook import TREE, command

HOSTS = ["a", "b", "c"]
Json = dict[str, Any]


def arguments(*services: Json, **more: Any) -> Json:
    usual = {"soak": 30, "settle": 2, "surge": 1, "hosts": HOSTS, "out": [], "retry": False, "supervisor": "svc"}
    return {"state": {"services": list(services)}, **usual, **more}


def service(host: str, args: Json, **more: Any) -> Json:
    state = json.loads(fleet.state(args, host, **{"soaked": False, "canaries": {}, **more}))
    made: Json = state["services"][0]
    return made


def test_the_canary_soaks_and_the_others_settle() -> None:
    args = arguments({"name": "demo"})
    assert service("a", args, soaked=True, canaries={"demo": 2}) == {"name": "demo", "soak": 30, "canary": 2}
    assert service("b", args) == {"name": "demo", "soak": 2}


def test_what_a_service_says_itself_rules_and_what_is_usual_is_not_sent() -> None:
    args = arguments({"name": "demo", "surge": 3, "soak": 1}, surge=2, retry="true", supervisor="systemd")
    assert service("a", args) == {"name": "demo", "surge": 3, "soak": 1, "retry": True, "supervisor": "systemd"}


def test_texts_of_the_command_line_become_numbers() -> None:
    args = arguments({"name": "demo"}, soak="0.5", settle="0", surge="1", soak_latency="2")
    assert service("a", args, soaked=True) == {"name": "demo", "soak": 0.5, "soak_latency": 2}
    assert service("a", args) == {"name": "demo", "soak_latency": 2}


def test_a_total_becomes_each_hosts_share() -> None:
    args = arguments({"name": "demo", "total": 5}, out=["b"], settle=0)
    assert [service(host, args)["instances"] for host in HOSTS] == [3, 0, 2]
    assert service("b", arguments({"name": "demo", "instances": 2}, out=["b"], settle=0))["instances"] == 0


@pytest.mark.parametrize("wrong", [{"total": "six"}, {"total": -1}, {"total": 3, "instances": 1}])
def test_a_number_that_is_none_is_refused_with_the_services_name(wrong: Json) -> None:
    with pytest.raises(InputError, match="demo"):
        fleet.state(arguments({"name": "demo", **wrong}), "a", soaked=False, canaries={})


def test_a_scale_is_per_host_or_over_all() -> None:
    args = {"hosts": HOSTS, "out": ["a"], "total": "3", "instances": ""}
    assert [fleet.number(args, host) for host in HOSTS] == [0, 2, 1]
    assert [fleet.number({**args, "total": "", "instances": "2"}, host) for host in HOSTS] == [0, 2, 2]


def loaded(path: str) -> ModuleType:
    """What Ansible loads from below `playbooks`."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TREE / "playbooks" / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_run_that_has_lost_its_lock_puts_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another deploy is at work on these hosts: a host that is asked would undo what that does."""
    plugin = loaded("action_plugins/ionman_roll.py")
    action = object.__new__(plugin.ActionModule)
    action.host = "a"
    look = {"fleet": ["a", "b"], "verb": "deploy", "changed": True, "services": [], "running": []}
    steps = {
        "a": {"look": look, "roll": {"result": "done"}},
        "b": {"look": look, "roll": {"result": "refused", "why": "x"}},
    }
    action.vars = {
        "service_turn": {"steps": steps["a"]},
        "hostvars": {host: {"service_turn": {"steps": steps[host]}} for host in steps},
    }
    action._task = SimpleNamespace(check_mode=False, args={"verb": "deploy", "stay": False})
    monkeypatch.setattr(fleet, "held", lambda: "alice@c holds the lock now")
    end = action._end()
    assert end["msg"] == "left as it is, because alice@c holds the lock now"
    told = verdict.lines({**steps, "a": end["invocation"]["steps"]}, {})
    assert told[1].endswith("left as it is: alice@c holds the lock now")


# --- on the host --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services() -> ModuleType:
    return loaded("module_utils/ionman_services.py")


def row(name: str, generation: str) -> Json:
    return {"service": name, "generation": generation, "version": "1", "ready": True}


ROUTER = {"service": "router", "generation": "", "version": "26", "ready": True}
RECORDS = {("demo", "g1"): {"name": "demo", "version": "1", "instances": 9}}


def narrowed(services: ModuleType, rows: list[Json], numbers: Json) -> Any:
    inventory = [{"name": "demo", "version": "2"}, {"name": "other", "version": "3"}, {"name": "new", "version": "4"}]
    return services.narrowed(inventory, rows, lambda *key: RECORDS.get(key), numbers)


def test_a_scale_takes_what_runs_from_the_record_and_not_from_the_inventory(services: ModuleType) -> None:
    rows = [ROUTER, row("demo", "g1"), row("other", "g7"), row("other", "g7")]
    assert narrowed(services, rows, {"demo": 3}) == [
        {"name": "demo", "version": "1", "instances": 3},
        {"name": "other", "version": "3", "instances": 2},
    ]


def test_a_scale_starts_a_service_that_is_not_there_from_the_inventory(services: ModuleType) -> None:
    assert narrowed(services, [], {"demo": 1}) == [{"name": "demo", "version": "2", "instances": 1}]
    assert narrowed(services, [], {"demo": 0}) == []
    assert narrowed(services, [row("demo", "g1")], {"demo": 0}) == [{"name": "demo", "version": "1", "instances": 0}]


def test_a_scale_starts_what_the_others_run_where_the_host_remembers_it(services: ModuleType) -> None:
    inventory = [{"name": "demo", "version": "2"}]
    for generation, version in (("g1", "1"), ("g5", "2")):
        made = services.narrowed(inventory, [], lambda *key: RECORDS.get(key), {"demo": 2}, generation)
        assert made == [{"name": "demo", "version": version, "instances": 2}]


def test_a_scale_of_an_interrupted_deploy_is_refused(services: ModuleType) -> None:
    with pytest.raises(services.Mixed, match="2 generations"):
        narrowed(services, [row("demo", "g1"), row("demo", "g2")], {"demo": 3})


def change(old: tuple[str, int] | None, new: tuple[str, int] | None) -> Json:
    def side(one: tuple[str, int] | None) -> Json | None:
        return {"generation": one[0], "version": "1", "instances": one[1]} if one else None

    return {"service": "demo", "from": side(old), "to": side(new)}


@pytest.mark.parametrize(
    ("made", "here", "expected"),
    [
        (change(("g1", 1), ("g2", 1)), ["g2"], (["demo"], {})),
        (change(("g1", 1), ("g2", 1)), ["g1"], ([], {})),  # the host put it back itself
        (change(("g1", 1), ("g2", 1)), ["g1", "g2"], (["demo"], {})),  # it was killed in the middle
        (change(("g1", 2), ("g2", 1)), ["g1"], ([], {"demo": 2})),  # back already, but for the number
        (change(("g1", 1), ("g1", 3)), ["g1"] * 3, ([], {"demo": 1})),
        (change(("g1", 1), ("g1", 3)), ["g1"], ([], {})),
        (change(None, ("g2", 1)), ["g2"], ([], {"demo": None})),
        (change(None, ("g2", 1)), [], ([], {})),
        (change(("g1", 1), None), [], ([], {})),
    ],
)
def test_what_is_put_back_and_how(services: ModuleType, made: Json, here: list[str], expected: Any) -> None:
    assert services.back([made], [row("demo", generation) for generation in here]) == expected


def test_what_a_rollback_would_need_is_in_use(services: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/ionman/record/demo"
    folder.mkdir(parents=True)
    good = {"mark": "good", "entry": {"name": "demo", "app": "sample", "version": "1.0.0"}}
    for name, document in (("g1", good), ("g2", {"mark": "failed", "entry": None}), ("pending", {"to": "g3"})):
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "torn.json").write_text("{")
    record = services.Record(tmp_path)
    assert record.releases() == {"sample-1.0.0"}
    assert record.failed() == ["g2"]
    assert (record.entry("demo", "g1"), record.entry("demo", "g9")) == (good["entry"], None)
    found = record.generations("demo")
    assert found["pending"] == {"to": "g3"}
    assert found["records"]["g1"] == {"mark": "good", "when": "", "why": "", "kept": True, "version": "1.0.0"}
    assert not found["records"]["g2"]["kept"]
    assert record.generations("other") == {"pending": None, "records": {}}


# --- the verbs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []

    def follow(words: list[str | Path], **_: object) -> int:
        commands.append([str(word) for word in words])
        return 3

    monkeypatch.setattr(process, "follow", follow)
    return commands


def test_deploy_hands_on_the_inventory_and_what_is_ansibles(played: list[list[str]]) -> None:
    done = CliRunner().invoke(ionman, ["deploy", "-i", str(TREE / "inventory/example"), "--", "--check", "--diff"])
    assert done.exit_code == 0 or done.return_value == 3
    assert played[0][1:] == [
        *("-i", str(TREE / "inventory/example"), str(TREE / "playbooks/deploy.yml"), "--check", "--diff")
    ]


def test_scale_and_rollback_name_the_service(played: list[list[str]]) -> None:
    CliRunner().invoke(ionman, ["scale", "demo=6", "--without", "host3"])
    CliRunner().invoke(ionman, ["rollback", "demo", "--", "--check"])
    assert [json.loads(words[3]) for words in played] == [
        {"service": "demo", "total": 6, "service_out": ["host3"]},
        {"service": "demo"},
    ]
    assert [Path(words[1]).name for words in played] == ["scale.yml", "rollback.yml"]
    assert played[1][4:] == ["--check"]


@pytest.mark.parametrize("wrong", ["demo", "demo=", "=3", "demo=many", "demo=-1", "demo=1.5"])
def test_a_scale_without_a_service_and_a_number_is_refused(played: list[list[str]], wrong: str) -> None:
    done = CliRunner().invoke(ionman, ["scale", wrong])
    assert done.exit_code != 0
    assert wrong in (done.output or str(done.exception))
    assert played == []


def test_an_inventory_that_is_not_there_is_refused(played: list[list[str]]) -> None:
    done = CliRunner().invoke(ionman, ["deploy", "-i", "nosuch"])
    assert (done.exit_code, "nosuch" in done.output, played) == (2, True, [])


def test_only_what_changes_the_inventory_is_handed_to_the_play_that_reads_it() -> None:
    given = ["--check", "-e", "a=1", "--vault-password-file", "f", "-J", "--limit", "host1", "-eb=2", "-v"]
    assert run._for_inventory(given) == ["-e", "a=1", "--vault-password-file", "f", "-J", "-eb=2"]


def test_without_an_inventory_ansible_chooses() -> None:
    assert "-i" not in command("deploy", None)
