"""Overdue debt by age band: the day after the due date is the first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from services.ledger.reports.overdue import BANDS, Overdue, overdue_now

NUMBER = "0100000001"
TODAY = date(2026, 11, 20)


class Owing:
    """A session whose read model has one account, with a bill due on some day."""

    def __init__(self, *due: date, number: str = NUMBER) -> None:
        periods = [f"2026-{month:02}" for month in range(1, len(due) + 1)]
        self.row = {
            "number": number,
            "payer_kind": "household",
            "open_items": {period: {"heating": 60, "water": 40} for period in periods},
            "due_dates": {p: on.isoformat() for p, on in zip(periods, due, strict=True)},
        }

    @property
    def read(self) -> Any:
        return self

    def owing(self, _: date) -> Iterator[dict[str, Any]]:
        yield self.row


def overdue(*due: date) -> Overdue:
    return overdue_now(Owing(*due), TODAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("days", "band"),
    [
        *((1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90")),
        *((91, "91-180"), (180, "91-180"), (181, "181-365"), (365, "181-365"), (366, ">365")),
        (5000, ">365"),
    ],
)
def test_the_day_after_the_due_date_is_the_first(days: int, band: str) -> None:
    [found] = overdue(TODAY - timedelta(days=days)).accounts
    assert (found.days, found.amount) == (days, 100)
    assert found.bands[BANDS.index(band)] == 100


@pytest.mark.parametrize("days", [0, -1])
def test_nothing_is_overdue_on_its_due_date(days: int) -> None:
    assert overdue(TODAY - timedelta(days=days)).accounts == []


def test_bills_of_several_ages_stand_in_their_bands() -> None:
    ages = (400, 20, 10, -5)
    found = overdue(*(TODAY - timedelta(days=age) for age in ages))
    assert found.total == 300
    assert found.accounts[0].due_on == TODAY - timedelta(days=400)
    bands = {band["band"]: (band["accounts"], band["amount"]) for band in found.bands()}
    assert (bands["1-30"], bands[">365"], bands["31-60"]) == ((1, 200), (1, 100), (0, 0))
