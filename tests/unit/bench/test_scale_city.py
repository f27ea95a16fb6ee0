"""The city of `scale`, and its command line."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

from shared.config import ConfigurationError
from tests.bench import scale_city as city
from tests.bench.scale import read_request
from tests.bench.scale_steps import BUILDS, STEPS

TODAY = date(2026, 3, 3)
ACCOUNTS = 120


def test_months_end_with_todays_which_is_not_due() -> None:
    months = city.months(TODAY)
    assert [month.period for month in months] == [
        "2025-11", "2025-12", "2026-01", "2026-02", "2026-03",
    ]  # fmt: skip
    assert months[0] == city.Month(
        "2025-11", date(2025, 11, 30), date(2025, 12, 10), date(2025, 12, 5)
    )
    assert months[-2].paid_on == TODAY  # the fifth is to come, and nobody has paid then
    assert months[-1] == city.Month("2026-03", TODAY, date(2026, 4, 10), None)
    assert all(month.paid_on is None or month.paid_on <= month.due_on for month in months)


def test_each_account_pays_just_what_its_bill_says(tmp_path: Path) -> None:
    month = city.months(TODAY)[0]
    billed: dict[str, int] = {}
    with city.write_bills(tmp_path / "bills.csv", ACCOUNTS, month).open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=";"):
            kopecks = int(row["charged"].replace(",", ""))
            billed[row["account"]] = billed.get(row["account"], 0) + kopecks
    assert billed == {city.number_of(index): city.owed(index) for index in range(ACCOUNTS)}
    calls = list(city.calls(ACCOUNTS, month))
    paid = {line.account: line.amount for call in calls for line in call.lines}
    never = {city.number_of(index) for index in (0, 50, 100)}
    assert paid == {number: owed for number, owed in billed.items() if number not in never}
    assert [len(call.lines) for call in calls] == [50, 50, 17]
    assert len({call.payment_id for call in calls}) == 3


def test_payments_of_a_month_are_the_same_commands_when_they_come_again() -> None:
    first, second = city.months(TODAY)[:2]
    assert list(city.calls(ACCOUNTS, first)) == list(city.calls(ACCOUNTS, first))
    ids = [call.payment_id for month in (first, second) for call in city.calls(ACCOUNTS, month)]
    assert len(set(ids)) == len(ids)


def test_last_month_is_not_paid() -> None:
    assert list(city.calls(ACCOUNTS, city.months(TODAY)[-1])) == []


def test_city_is_built_before_anything_is_measured() -> None:
    names = list(STEPS)
    assert set(names[: len(BUILDS)]) == BUILDS
    assert len(BUILDS) == 2 * city.MONTHS
    assert names.index("seal") < names.index("verify") < names.index("audit")
    assert names.index("backup") < names.index("restore")


def test_request_is_read() -> None:
    request = read_request(
        ["--events", "100_000,1000000", "--only", "audit,verify", "--set", "shared_buffers=16MB"]
    )
    assert request.events == [100_000, 1_000_000]
    assert request.only == ["audit", "verify"]
    assert request.sizes == {"shared_buffers": "16MB"}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["--only", "adit"], "no such step: adit"),
        (["--events", "100,200", "--accounts", "7"], "--accounts is of one size"),
        (["--events", "3"], "at least 10 events"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        read_request(words)
