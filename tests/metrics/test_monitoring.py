"""What is handed to Prometheus and Grafana: it is valid, and speaks of figures that there are."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ionman import process
from ionman.metrics import (
    Certificate,
    Check,
    Process,
    Program,
    Realm,
    Snapshot,
    answer,
    exposition,
    lines,
)

MONITORING = Path(__file__).parents[2] / "docs/monitoring"
TALLY = {"calls": 3, "errors": 1, "total_ms": 41.5, "buckets_ms": [[1, 0], [25, 2]]}
LINK = {"address": "host2:8443", "up": False, "error": "it is away", "since": "", "sent": 9, "waiting": 2, "lost": 1}
FULL = Snapshot(
    programs=(
        Program(
            *("demo.ab12cd34.1", "demo", "1.0.0", "ab12cd34"),
            seconds=7,
            process=Process(36 << 20, 1.5, 20),
            said={"stats": {"app.demo.one": TALLY}, "in_flight": 2, "routers": {"host1:8443": {"state": "ready"}}},
        ),
        Program("router", "router", "26.10.1", note="down"),
    ),
    realms=(Realm("ionman", {"client": 4}, {"app.demo.one": 2}, {"host2": LINK}),),
    certificates=(Certificate("/etc/ionman/tls/router.pem", "CN=router", 86400),),
    checks=(Check("demo", "door", seconds=0.004), Check("router", "tls", 'refused "here"\n')),
    troubles={"realm other": "it is away"},
)


def names() -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in exposition(FULL).decode().splitlines() if line[0] != "#"}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def expressions() -> dict[str, str]:
    """Place -> PromQL, with Grafana's variables filled in, of rules and dashboard."""
    rules = [
        rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"] for rule in group["rules"]
    ]
    found = {rule["alert"]: rule["expr"] for rule in rules}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    values = {"$__rate_interval": "5m", "$job": "ionman", "$service": ".*"}
    return {place: re.sub(r"\$\w+", lambda match: values[match[0]], text) for place, text in found.items()}


def test_a_whole_exposition_is_valid(promtool: Path) -> None:
    text = exposition(FULL).decode()
    process.run([promtool, "check", "metrics"], stdin=text, timeout=60)
    who = 'program="demo.ab12cd34.1",service="demo"'
    told = text.splitlines()
    for line in (
        f'ionman_call_duration_seconds_bucket{{le="0.025",procedure="app.demo.one",{who}}} 2.0',
        f'ionman_call_duration_seconds_bucket{{le="+Inf",procedure="app.demo.one",{who}}} 3.0',
        f'ionman_call_duration_seconds_sum{{procedure="app.demo.one",{who}}} 0.0415',
        f'ionman_calls_total{{procedure="app.demo.one",{who}}} 3.0',
        'ionman_health{way="tls",what="router"} 0.0',
        'ionman_program_ready{program="router",service="router"} 0.0',
    ):
        assert line in [_sorted(one) for one in told], line


def _sorted(line: str) -> str:
    match = re.fullmatch(r"(\w+)\{(.*)\} (.*)", line)
    if not match:
        return line
    labels = sorted(re.findall(r'\w+="[^"]*"', match[2]))
    return f"{match[1]}{{{','.join(labels)}}} {match[3]}"


def test_the_health_answer() -> None:
    assert answer(FULL.checks)["status"] == "FAIL"
    assert answer(FULL.checks[:1]) == {
        "status": "OK",
        "checks": [{"what": "demo", "way": "door", "ok": True, "why": "", "ms": 4.0}],
    }
    assert lines(FULL.checks)[0] == "demo by door: answered in 4.0 ms"


def test_an_older_instance_tells_at_least_how_many() -> None:
    tally = {name: TALLY[name] for name in ("calls", "errors", "total_ms")}
    old = Program("demo.ab12cd34.1", "demo", said={"stats": {"app.demo.one": tally}})
    text = exposition(Snapshot((old,))).decode()
    assert next(line for line in text.splitlines() if "duration_seconds_count" in line).endswith(" 3.0")


def test_the_alert_rules_fire_for_what_they_should(promtool: Path, tmp_path: Path) -> None:
    for file in (MONITORING / "alerts.yml", MONITORING / "prometheus.yml", Path(__file__).with_name("alerts.test.yml")):
        shutil.copy(file, tmp_path)
    process.run([promtool, "check", "config", tmp_path / "prometheus.yml"], cwd=tmp_path, timeout=60)
    process.run([promtool, "test", "rules", tmp_path / "alerts.test.yml"], cwd=tmp_path, timeout=60)


def test_what_is_asked_for_is_told(promtool: Path, tmp_path: Path) -> None:
    told = names() | {"up"}
    asked = {place: set(re.findall(r"\b(?:ionman_\w+|up\b)", text)) for place, text in expressions().items()}
    assert {place: missing for place, found in asked.items() if (missing := found - told)} == {}
    rules = [{"record": f"a{number}", "expr": text} for number, text in enumerate(expressions().values())]
    (tmp_path / "all.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    process.run([promtool, "check", "rules", tmp_path / "all.yml"], timeout=60)
    process.run([promtool, "check", "rules", MONITORING / "alerts.yml"], timeout=60)


@pytest.mark.parametrize("name", ["job", "service"])
def test_the_dashboard_can_be_narrowed(name: str) -> None:
    (variable,) = [one for one in dashboard()["templating"]["list"] if one["name"] == name]
    assert set(re.findall(r"ionman_\w+", variable["definition"])) <= names()
