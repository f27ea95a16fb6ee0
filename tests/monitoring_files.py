"""What operators take from `deploy/monitoring`: alarms, panels, and the metrics that they name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "deploy" / "monitoring"
ALERTS = FOLDER / "alerts.yaml"

OF_RABBITMQ = frozenset(
    {
        "rabbitmq_alarms_free_disk_space_watermark",
        "rabbitmq_alarms_memory_used_watermark",
        "rabbitmq_detailed_queue_consumers",
        "rabbitmq_detailed_queue_messages",
        "rabbitmq_disk_space_available_bytes",
        "rabbitmq_disk_space_available_limit_bytes",
        "rabbitmq_process_resident_memory_bytes",
        "rabbitmq_resident_memory_limit_bytes",
    }
)
"""As rabbitmq_prometheus 3.10.8 answers them at /metrics and, the detailed ones, at
/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count."""

OF_PROMETHEUS = frozenset({"up"})

_METRIC = re.compile(r"\b(?:saldo|rabbitmq|process|python)_[a-z0-9_]+|\bup\b")
_SUFFIX = re.compile(r"_(?:bucket|count|sum)$")
_LITERAL = re.compile(r'"[^"]*"')
_GROUPING = re.compile(r"\b(?:by|on|group_left|group_right|without|ignoring)\s*\([^)]*\)")


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboards() -> dict[str, dict[str, Any]]:
    """Return the dashboards by the names of their files."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FOLDER / "dashboards").glob("*.json"))
    }


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, without its rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield (where it stands, expression) of all rules and panels."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]


def metrics_in(expression: str) -> set[str]:
    """Return the metrics that an expression names, as they are documented."""
    bare = _GROUPING.sub("", _LITERAL.sub('""', expression))
    return {_SUFFIX.sub("", name) for name in _METRIC.findall(bare)}
