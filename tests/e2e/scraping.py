"""The metrics of a process, as Prometheus reads them, and what the documents say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from prometheus_client.parser import text_string_to_metric_families

from deploy.embedded.environment import MONITORED
from deploy.embedded.surroundings import REPOSITORY

_ROW = re.compile(r"^\| `(saldo_\w+)` \| ([a-z_, ]*)\| ([a-z, ]+) \|", re.MULTILINE)
_SUFFIX = re.compile(r"_(bucket|count|sum)$")


@dataclass(frozen=True)
class Documented:
    """A row of the table: labels, and the processes that have the metric."""

    labels: frozenset[str]
    processes: frozenset[str]


def documented_metrics() -> dict[str, Documented]:
    """Return the table of metrics in ARCHITECTURE.md by name."""
    text = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return {
        name: Documented(_words(labels), _words(processes))
        for name, labels, processes in _ROW.findall(text)
    }


def scrape(url: str) -> dict[str, frozenset[str]]:
    """Return the metrics of Saldo that have samples, by name, with their labels."""
    response = requests.get(f"{url}/metrics", timeout=30)
    response.raise_for_status()
    found: dict[str, frozenset[str]] = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            name = _SUFFIX.sub("", sample.name) if family.type == "histogram" else sample.name
            if name.startswith("saldo_"):
                found[name] = frozenset(sample.labels) - {"le"}
    return found


def check_metrics(environment: Mapping[str, str]) -> None:
    """Assert that each process of an installation that has worked exposes what is documented."""
    documented = documented_metrics()
    for process in MONITORED:
        url = environment[f"SALDO_MONITORING_URL_{process.upper()}"]
        assert requests.get(f"{url}/readyz", timeout=30).json()["status"] == "ready"
        exposed = scrape(url)
        promised = {name for name, row in documented.items() if process in row.processes}
        assert promised - exposed.keys() == set(), (process, promised - exposed.keys())
        assert exposed.keys() - documented.keys() == set(), process
        for name, labels in exposed.items():
            assert labels == documented[name].labels, name
    public = environment["SALDO_URL"]
    for path in ("/metrics", "/readyz"):
        assert requests.get(public + path, timeout=30).status_code == 404


def _words(cell: str) -> frozenset[str]:
    return frozenset(word.strip() for word in cell.split(",") if word.strip())
