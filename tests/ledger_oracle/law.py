"""The penalty for late payment as the law has it, from the dated data of ``rules.yaml``.

Which days are off is the data of ``working_days.yaml``.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

import services.ledger.penalties
import shared


def _data_of(package: Any, name: str) -> dict[str, Any]:
    text = (Path(package.__file__).parent / name).read_text("utf-8")
    data: dict[str, Any] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - texts only
    return data


DATA = _data_of(services.ledger.penalties, "rules.yaml")
HOLIDAYS = _data_of(shared, "working_days.yaml")
A_DAY = timedelta(days=1)
KEY_RATES = [(date.fromisoformat(day), Fraction(rate)) for day, rate in DATA["key_rates"].items()]
CAPS = [
    (date.fromisoformat(cap["from"]), date.fromisoformat(cap["to"]), Fraction(cap["percent"]))
    for cap in DATA["caps"]
]
MORATORIA = [
    (date.fromisoformat(pause["from"]), date.fromisoformat(pause["to"]))
    for pause in DATA["moratoria"]
]
CAPITAL_REPAIR = "capital_repair"


@cache
def rate_on(day: date) -> Fraction:
    """Return the rate of a day in per cent a year: the key rate, but not above a cap."""
    rate = KEY_RATES[bisect_right([since for since, _ in KEY_RATES], day) - 1][1]
    return min([rate, *(percent for first, last, percent in CAPS if first <= day <= last)])


def rate_changes(first: date, last: date) -> list[date]:
    """Return the days on which the rate differs from that of the day before."""
    edges = {day for day, _ in KEY_RATES[1:]}
    edges |= {cap[0] for cap in CAPS} | {cap[1] + A_DAY for cap in CAPS}
    return sorted(
        day for day in edges if first <= day <= last and rate_on(day) != rate_on(day - A_DAY)
    )


def due_on(month: date) -> date:
    """Return the last day in time for the bill of a month."""
    period = f"{month:%Y-%m}"
    named = [int(rule["day"]) for rule in DATA["due_days"] if rule["from_period"] <= period][-1]
    following = month.replace(day=28) + 4 * A_DAY
    last = monthrange(following.year, following.month)[1]
    day = following.replace(day=min(named, last))
    while _is_day_off(day):
        day += A_DAY
    return day


@lru_cache(maxsize=100_000)
def penalty(
    kind: str, late_after: date, parts: tuple[tuple[int, date | None], ...], on: date
) -> int:
    """Return the penalty by the end of a day on a debt in parts: (kopecks, day of payment).

    A part bears the rate of the day on which it was paid; parts of one rate are one debt. Each run
    of days with the same debt and divisor is rounded half up; a moratorium ends a run.
    """
    by_rate: dict[Fraction, list[tuple[int, date]]] = {}
    for amount, paid_on in parts:
        end = on if paid_on is None or paid_on > on else paid_on
        if amount and end > late_after:
            by_rate.setdefault(rate_on(end), []).append((amount, end))
    total = 0
    for rate, alike in by_rate.items():
        for base, divisor, days in _runs(kind, late_after, alike):
            exact = base * days * rate / 100 / divisor
            total += int(exact + Fraction(1, 2))
    return total


def _runs(
    kind: str, late_after: date, parts: Sequence[tuple[int, date]]
) -> list[tuple[int, int, int]]:
    """Return the runs of days that bear the same: (debt, divisor, days)."""
    last = max(end for _, end in parts)
    edges = {late_after + A_DAY, last + A_DAY} | {end + A_DAY for _, end in parts}
    edges |= {late_after + timedelta(days=first) for first, _ in _bands(kind)}
    for begin, end in MORATORIA:
        edges |= {begin, end + A_DAY}
    days = sorted(day for day in edges if late_after < day <= last + A_DAY)
    runs: list[tuple[int, int, int]] = []
    before: tuple[int, int | None] = (0, None)
    for first, following in pairwise(days):
        base = sum(amount for amount, end in parts if end >= first)
        divisor = _divisor(kind, first, (first - late_after).days)
        length = (following - first).days
        if divisor is not None and (base, divisor) == before:
            runs[-1] = (base, divisor, runs[-1][2] + length)
        elif divisor is not None:
            runs.append((base, divisor, length))
        before = (base, divisor)
    return runs


def _divisor(kind: str, day: date, number: int) -> int | None:
    """Return the part of the rate that a day of delay bears; None: nothing."""
    if any(begin <= day <= end for begin, end in MORATORIA):
        return None
    return [divisor for first, divisor in _bands(kind) if first <= number][-1]


@cache
def _bands(kind: str) -> list[tuple[int, int | None]]:
    [rule] = DATA["payers"][kind]
    return [
        (int(band["from_day"]), None if band["divisor"] == "null" else int(band["divisor"]))
        for band in rule["bands"]
    ]


@cache
def _is_day_off(day: date) -> bool:
    if day.isoformat() in HOLIDAYS["working_days"]:
        return False
    return (
        str(day.isoweekday()) in HOLIDAYS["weekend"]
        or f"{day:%m-%d}" in HOLIDAYS["yearly"]
        or day.isoformat() in HOLIDAYS["days_off"]
    )
