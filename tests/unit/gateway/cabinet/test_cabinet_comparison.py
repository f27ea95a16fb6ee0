"""Why a month costs more: the parts add up to the kopeck, and the largest is named first."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cabinet.comparison import why

SERVICES = ("heating", "hot_water", "cold_water", "maintenance")
KOPECKS = st.integers(-500_00, 500_00)
TARIFFS = st.decimals("0.01", "9999.99", places=2)
VOLUMES = st.decimals("0.001", "999.999", places=3)


@st.composite
def lines(draw: st.DrawFn, service: str) -> dict[str, Any]:
    metered = draw(st.booleans())
    tariff, volume = draw(TARIFFS), draw(VOLUMES)
    charged = int((tariff * volume * 100).quantize(Decimal(1), ROUND_HALF_UP))
    recalculation, concession = draw(KOPECKS), draw(st.integers(0, 500_00))
    return {
        "service": service,
        "name": service,
        "unit": "м³" if metered else None,
        "tariff": str(tariff) if metered else None,
        "volume": str(volume) if metered else None,
        "charged": charged,
        "recalculation": recalculation,
        "concession": concession,
        "payable": charged + recalculation - concession,
    }


@st.composite
def months(draw: st.DrawFn) -> dict[str, Any]:
    services = draw(st.lists(st.sampled_from(SERVICES), unique=True))
    billed = [draw(lines(service)) for service in services]
    corrections = [{"amount": amount} for amount in draw(st.lists(KOPECKS, max_size=3))]
    total = sum(line["payable"] for line in billed) + sum(one["amount"] for one in corrections)
    return {"lines": billed, "adjustments": [{"lines": corrections}], "total": total}


@given(months(), months())
@settings(max_examples=1_000)
def test_the_reasons_of_a_difference_add_up_to_it(
    month: dict[str, Any], before: dict[str, Any]
) -> None:
    parts = why(month, before)
    assert sum(part.amount for part in parts) == month["total"] - before["total"]
    sizes = [abs(part.amount) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert 0 not in sizes


def test_a_difference_is_divided_into_tariff_and_volume() -> None:
    old = month_of(tariff="10.00", volume="5", charged=50_00)
    parts = why(month_of(tariff="12.00", volume="7", charged=84_00), old)
    assert [(part.kind, part.amount) for part in parts] == [("volume", 24_00), ("tariff", 10_00)]


def test_what_only_one_month_has_is_new_or_gone() -> None:
    month = month_of(tariff="10.00", volume="5", charged=50_00)
    nothing = {"lines": [], "adjustments": []}
    assert [(part.kind, part.amount) for part in why(month, nothing)] == [("new", 50_00)]
    assert [(part.kind, part.amount) for part in why(nothing, month)] == [("gone", -50_00)]


def month_of(*, tariff: str, volume: str, charged: int) -> dict[str, Any]:
    line = {
        "service": "cold_water", "name": "Холодная вода", "unit": "м³", "tariff": tariff,
        "volume": volume, "charged": charged, "recalculation": 0, "concession": 0,
        "payable": charged,
    }  # fmt: skip
    return {"lines": [line], "adjustments": []}
