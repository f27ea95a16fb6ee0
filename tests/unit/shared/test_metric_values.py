"""The numbers of the metrics are small, also where locks are those of greenlets."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import generate_latest

from shared import telemetry
from shared.metric_values import SmallValue

LARGEST = 100
"""Bytes of one; with a lock of its own it takes 250, and one of eventlet's 850."""
_SIZE = """
import tracemalloc
from prometheus_client import values
from shared import telemetry

tracemalloc.start()
kept = [values.ValueClass("gauge", "name", "name", (), (), "") for _ in range(1000)]
print(tracemalloc.get_traced_memory()[0] // 1000)
"""
_PATCHED = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
"""


@pytest.mark.parametrize("before", ["", _PATCHED], ids=["threads", "greenlets"])
def test_a_number_of_a_metric_is_small(before: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", before + _SIZE], capture_output=True, text=True, check=True
    )
    assert 0 < int(done.stdout) < LARGEST


def test_the_metrics_are_of_small_numbers() -> None:
    assert type(telemetry.HTTP_IN_PROGRESS._value) is SmallValue


def test_each_kind_of_metric_is_shown_as_it_was_counted() -> None:
    registry = CollectorRegistry()
    counter = Counter("paid", "Payments.", ("bank",), registry=registry)
    counter.labels("main").inc(exemplar={"trace": "a1"})
    counter.labels("main").inc(2)
    gauge = Gauge("open", "Orders.", registry=registry)
    gauge.set(7)
    gauge.dec(3)
    Histogram("took_seconds", "Time.", buckets=(1, 5), registry=registry).observe(3)
    shown = generate_latest(registry).decode()
    for line in (
        'paid_total{bank="main"} 3.0 # {trace="a1"} 1.0',
        "open 4.0",
        'took_seconds_bucket{le="1.0"} 0.0',
        'took_seconds_bucket{le="5.0"} 1.0',
        "took_seconds_sum 3.0",
    ):
        assert line in shown
