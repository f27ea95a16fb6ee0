"""Interleaved measurements, so that a drift in the machine's speed affects both sides."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

RUNS = 5


class CannotMeasureError(Exception):
    """A prerequisite of a benchmark is missing; the others still run."""


@dataclass(frozen=True)
class Result:
    """Medians in units per second, and the median of the ratios of each run."""

    name: str
    unit: str
    ours: float
    reference_name: str
    reference: float
    ratio: float
    target: float | None


def seconds(work: Callable[[], None]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(
    name: str,
    unit: str,
    count: int,
    ours: Callable[[], float],
    reference_name: str,
    reference: Callable[[], float],
    *,
    target: float | None = None,
    reference_count: int | None = None,
    runs: int = RUNS,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """Run both in turn and return the medians.

    ``ours`` and ``reference`` return the seconds that they took for ``count`` units (the reference
    for ``reference_count``, where ``count`` would take too long). ``target`` is the ratio (our
    speed by the reference's) that the project aims at.
    """
    rates: list[tuple[float, float]] = []
    for run in range(1, runs + 1):
        progress(f"{name}: run {run} of {runs}")
        ours_rate = count / ours()
        reference_rate = (reference_count or count) / reference()
        rates.append((ours_rate, reference_rate))
    return Result(
        name=name,
        unit=unit,
        ours=statistics.median(rate for rate, _ in rates),
        reference_name=reference_name,
        reference=statistics.median(rate for _, rate in rates),
        ratio=statistics.median(a / b for a, b in rates),
        target=target,
    )
