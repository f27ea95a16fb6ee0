"""Payments with a span of each, beside the same without: what traces cost when they are on."""

from __future__ import annotations

from collections.abc import Callable

from shared import tracing
from tests.bench.company import Bench
from tests.bench.measure import Result, compare
from tests.bench.payments import CALLERS, EACH, post_singly, prepare
from tests.serving_http import serving


def traced(bench: Bench, progress: Callable[[str], None]) -> Result:
    """Measure single payments by group commit with a span of each command."""
    prepare(bench)

    def with_traces() -> float:
        with serving(lambda *_: (200, b"")) as address:
            tracing.start(f"http://{address}")
            try:
                return post_singly(bench)
            finally:
                tracing.stop()

    return compare(
        f"single payments, {CALLERS} callers, traces on",
        "payments/s",
        CALLERS * EACH,
        with_traces,
        "the same, traces off",
        lambda: post_singly(bench),
        progress=progress,
    )
