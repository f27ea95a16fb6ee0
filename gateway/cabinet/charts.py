"""The chart of a year: a column for each month, stacked by service; its numbers are computed here,
drawn by ``chart.html``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.money import Kopecks

MOST_SERIES = 6
"""Colours that can be told apart; smaller services are drawn together as the last one."""
TOP, LEFT, HEIGHT, COLUMN, GAP = 24, 80, 220, 40, 16
OTHER = ""


@dataclass(frozen=True)
class Segment:
    """A rectangle: which series (from 1) of which month, where it stands, and its amount."""

    series: int
    period: str
    x: int
    y: float
    height: float
    amount: Kopecks


@dataclass(frozen=True)
class Chart:
    """All that the drawing needs. ``names``: of the series, in order; OTHER is the rest."""

    names: Sequence[str]
    segments: Sequence[Segment]
    labels: Sequence[tuple[int, str]]
    gridlines: Sequence[tuple[float, Kopecks]]
    width: int
    height: int
    rows: Sequence[tuple[str, Sequence[Kopecks], Kopecks]]
    """Of the table below: period, amount of each series, total."""


def year_chart(months: Sequence[Mapping[str, Any]]) -> Chart | None:
    """Return the chart of months (newest first, as the API has them); None without charges.

    Amounts below zero are not drawn; the table has them.
    """
    if not months:
        return None
    in_order = list(reversed(months))
    totals: Counter[str] = Counter()
    for month in in_order:
        totals.update(_by_service(month))
    largest = [name for name, _ in totals.most_common()]
    names = largest if len(largest) <= MOST_SERIES else [*largest[: MOST_SERIES - 1], OTHER]
    rows = []
    for month in in_order:
        amounts = _by_service(month)
        shown = [amounts.pop(name, 0) if name else 0 for name in names]
        if OTHER in names:
            shown[-1] = sum(amounts.values())
        rows.append((str(month["period"]), shown, sum(shown)))
    top = _round_up(max(sum(max(amount, 0) for amount in shown) for _, shown, _ in rows))
    segments, labels = [], []
    for place, (period, shown, _) in enumerate(rows):
        x, y = LEFT + place * (COLUMN + GAP), float(TOP + HEIGHT)
        labels.append((x + COLUMN // 2, period))
        for series, amount in enumerate(shown, start=1):
            height = HEIGHT * max(amount, 0) / top
            y -= height
            if height:
                segments.append(Segment(series, period, x, round(y, 1), round(height, 1), amount))
    lines = [(TOP + HEIGHT * (1 - part / 2), top * part // 2) for part in (0, 1, 2)]
    width = LEFT + len(rows) * (COLUMN + GAP)
    return Chart(names, segments, labels, lines, width, TOP + HEIGHT + 34, rows)


def _by_service(month: Mapping[str, Any]) -> Counter[str]:
    amounts: Counter[str] = Counter()
    called = {line["service"]: line["name"] for line in month["lines"]}
    for line in month["lines"]:
        amounts[line["name"]] += line["payable"]
    for adjustment in month["adjustments"]:
        for line in adjustment["lines"]:
            amounts[called.get(line["service"], line["service"])] += line["amount"]
    return amounts


def _round_up(amount: Kopecks) -> Kopecks:
    """Return a round sum of roubles at or above an amount, for the top of the scale."""
    step = 10_00
    while True:
        for factor in (10, 12, 16, 20, 24, 30, 40, 50, 60, 80):
            if amount <= step * factor:
                return step * factor
        step *= 10
