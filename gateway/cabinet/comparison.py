"""Why a month costs more or less than the one before, part by part, to the kopeck.

The difference of a line is divided into what the tariff did (at the old volume), what the volume
did (at the new tariff), and the rest: recalculation, concession, a service that is new or gone.
The parts always add up to the difference of the two totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from shared.money import Kopecks


@dataclass(frozen=True, kw_only=True)
class Part:
    """One reason of a difference. ``kind``: ``tariff``, ``volume``, ``charged`` (neither is
    known), ``recalculation``, ``concession``, ``new``, ``gone`` or ``adjustment``."""

    kind: str
    name: str
    amount: Kopecks
    old: str = ""
    new: str = ""
    unit: str = ""


def why(month: Mapping[str, Any], before: Mapping[str, Any]) -> list[Part]:
    """Return the parts of ``month.total - before.total``, the largest first; both as the API has
    them."""
    old = {line["service"]: line for line in before["lines"]}
    new = {line["service"]: line for line in month["lines"]}
    parts: list[Part] = []
    for service, line in new.items():
        if service in old:
            parts += _of_line(old[service], line)
        else:
            parts.append(Part(kind="new", name=line["name"], amount=line["payable"]))
    for service, line in old.items():
        if service not in new:
            parts.append(Part(kind="gone", name=line["name"], amount=-line["payable"]))
    corrected = _adjusted(month) - _adjusted(before)
    parts.append(Part(kind="adjustment", name="", amount=corrected))
    return sorted((part for part in parts if part.amount), key=lambda part: -abs(part.amount))


def _of_line(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Part]:
    name, unit = new["name"], new["unit"] or ""
    charged = new["charged"] - old["charged"]
    known = all(line["tariff"] and line["volume"] for line in (old, new))
    if known:
        by_tariff = _kopecks(
            (Decimal(new["tariff"]) - Decimal(old["tariff"])) * Decimal(old["volume"])
        )
        if new["volume"] == old["volume"]:
            by_tariff = charged  # the rounding of two bills is no change of volume
        elif new["tariff"] == old["tariff"]:
            by_tariff = 0
        yield Part(kind="tariff", name=name, amount=by_tariff, old=old["tariff"], new=new["tariff"])
        yield Part(
            kind="volume",
            name=name,
            amount=charged - by_tariff,
            old=old["volume"],
            new=new["volume"],
            unit=unit,
        )
    else:
        yield Part(kind="charged", name=name, amount=charged)
    for kind, sign in (("recalculation", 1), ("concession", -1)):
        yield Part(kind=kind, name=name, amount=sign * (new[kind] - old[kind]))


def _adjusted(month: Mapping[str, Any]) -> Kopecks:
    adjustments: Sequence[Any] = month["adjustments"]
    return sum(line["amount"] for adjustment in adjustments for line in adjustment["lines"])


def _kopecks(roubles: Decimal) -> Kopecks:
    return int((roubles * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
