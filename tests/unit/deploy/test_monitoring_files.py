"""Alarms, runbook and dashboards belong together, and name only what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY
from typer.main import get_command

from services.cli import app
from tests.e2e.scraping import documented_metrics
from tests.monitoring_files import (
    ALERTS,
    FOLDER,
    OF_PROMETHEUS,
    OF_RABBITMQ,
    dashboards,
    expressions,
    metrics_in,
    panels,
    rules,
)
from tests.prometheus_package import program

REPOSITORY = Path(__file__).parents[3]
RUNBOOK = (FOLDER / "runbook.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
STEPS = ("**Means.**", "**Look.**", "**Do.**", "**Do not**")
WIDTH = 24
"""Columns of Grafana's grid."""


def test_every_rule_has_what_whoever_is_woken_needs() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) > 30
    for rule in rules():
        notes = rule["annotations"]
        assert notes.keys() == {"summary", "description", "runbook_url"}, rule["alert"]
        assert notes["runbook_url"].endswith(f"#{rule['alert'].lower()}")
        assert rule["labels"]["severity"] in {"critical", "warning"}


def test_every_rule_has_its_section_in_the_runbook() -> None:
    assert SECTIONS.keys() == {rule["alert"] for rule in rules()}
    for name, section in SECTIONS.items():
        assert all(section.count(step) == 1 for step in STEPS), name


def test_the_runbook_names_only_verbs_that_there_are() -> None:
    command = get_command(app)
    found = set(re.findall(r"`saldo ([a-z -]+?)(?= [A-Z`]|`| --)", RUNBOOK))
    assert {"bus lag", "bus parked", "top"} <= found
    for words in found:
        known: Any = command
        for word in words.split():
            if word.startswith("--"):
                break
            assert word in known.commands, words
            known = known.commands[word]


def test_the_runbook_names_only_log_entries_that_there_are() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("services", "gateway", "shared")
        for path in (REPOSITORY / folder).rglob("*.py")
    )
    outside = {"pg_stat_activity", "rabbitmq_prometheus", "error_id", "correlation_id", "trace_id"}
    for name in set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", RUNBOOK)) - outside:
        assert f'"{name}"' in code or f"def {name}(" in code, name


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_metric_is_one_that_a_process_or_rabbitmq_exposes(
    where: str, expression: str
) -> None:
    of_python = {family.name for family in REGISTRY.collect()}
    of_python |= {f"{name}_total" for name in of_python}
    known = documented_metrics().keys() | OF_RABBITMQ | OF_PROMETHEUS | of_python
    named = metrics_in(expression)
    assert named, where
    assert named <= known, where


def test_prometheus_accepts_the_rules_and_the_sample() -> None:
    for words in (("rules", "alerts.yaml"), ("config", "prometheus.yaml")):
        done = subprocess.run(
            [program("promtool"), "check", *words],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    tests = ("alert_rules.yaml", "alert_rules_of_days.yaml")
    for path in (ALERTS, *map(Path(__file__).with_name, tests)):
        shutil.copy(path, tmp_path)
    done = subprocess.run(
        [program("promtool"), "test", "rules", *tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_three_dashboards_with_names_of_their_own() -> None:
    found = dashboards()
    assert found.keys() == {"bus", "ledger-payments", "gateway-services"}
    assert len({dashboard["uid"] for dashboard in found.values()}) == 3


@pytest.mark.parametrize("dashboard", dashboards().values(), ids=dashboards())
def test_a_dashboard_is_complete(dashboard: dict[str, Any]) -> None:
    assert dashboard["schemaVersion"] >= 36
    [source] = dashboard["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource", "datasource", "prometheus",
    )  # fmt: skip
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(dashboard):
        assert panel["title"], panel["id"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["type"] in {"timeseries", "stat"}
        assert panel["fieldConfig"]["defaults"]["unit"] in {
            "short", "s", "ops", "reqps", "bytes", "percentunit", "none",
        }  # fmt: skip
        targets = panel["targets"]
        assert len({target["refId"] for target in targets}) == len(targets) > 0
        for target in targets:
            assert target["datasource"]["uid"] == "${datasource}"
            assert target["legendFormat"] or panel["type"] == "stat"


@pytest.mark.parametrize("dashboard", dashboards().values(), ids=dashboards())
def test_panels_neither_overlap_nor_leave_the_grid(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_sample_scrapes_what_the_rules_need() -> None:
    sample = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in sample["scrape_configs"]}
    assert jobs.keys() == {"saldo", "rabbitmq", "rabbitmq_queues"}
    assert jobs["rabbitmq_queues"]["params"]["family"] == [
        "queue_coarse_metrics", "queue_consumer_count",
    ]  # fmt: skip
    assert sample["rule_files"] == [ALERTS.name]


def shown_by(dashboard: str) -> set[str]:
    return {
        name
        for panel in panels(dashboards()[dashboard])
        for target in panel["targets"]
        for name in metrics_in(target["expr"])
    }


def test_each_metric_of_files_has_a_panel() -> None:
    metrics = {"saldo_uploads_scans_total", "saldo_uploads_room_bytes"}
    assert shown_by("gateway-services") >= metrics


def test_each_metric_of_losses_and_leaders_has_a_panel() -> None:
    """Whoever is called by their alarms at night looks there first."""
    assert shown_by("bus") >= {
        "saldo_log_epoch",
        "saldo_log_confirmed",
        "saldo_log_tail_lost_timestamp_seconds",
        "saldo_unrecovered_epochs",
        "saldo_quarantined_messages",
        "saldo_reaction_quarantined_total",
        "saldo_reaction_stopped",
        "saldo_reaction_set_back_total",
        "saldo_leaders_evicted_total",
    }
