"""The days of the accrual runs, by the operator's setting."""

from __future__ import annotations

from datetime import date

import pytest

from services.ledger.penalties.schedule import DueRun, read_schedule
from shared.config import ConfigurationError, Settings, load_settings

OCTOBER = date(2026, 10, 31)


def run(due_on: str, through: str) -> DueRun:
    return DueRun(date.fromisoformat(due_on), date.fromisoformat(through))


@pytest.mark.parametrize(
    ("setting", "today", "last", "following"),
    [
        ("monthly", "2026-11-01", ("2026-11-01", "2026-10-31"), ("2026-12-01", "2026-11-30")),
        ("monthly", "2026-11-30", ("2026-11-01", "2026-10-31"), ("2026-12-01", "2026-11-30")),
        ("monthly", "2027-01-31", ("2027-01-01", "2026-12-31"), ("2027-02-01", "2027-01-31")),
        ("monthly", "2028-03-01", ("2028-03-01", "2028-02-29"), ("2028-04-01", "2028-03-31")),
        ("monthly:5", "2026-11-04", ("2026-10-05", "2026-09-30"), ("2026-11-05", "2026-10-31")),
        ("monthly:5", "2026-11-05", ("2026-11-05", "2026-10-31"), ("2026-12-05", "2026-11-30")),
        ("monthly:28", "2027-01-27", ("2026-12-28", "2026-11-30"), ("2027-01-28", "2026-12-31")),
        ("monthly:28", "2026-12-31", ("2026-12-28", "2026-11-30"), ("2027-01-28", "2026-12-31")),
        ("daily", "2026-11-01", ("2026-11-01", "2026-10-31"), ("2026-11-02", "2026-11-01")),
    ],
)
def test_a_run_is_due_on_its_day_through_the_end_of_the_time_before(
    setting: str, today: str, last: tuple[str, str], following: tuple[str, str]
) -> None:
    schedule, day = read_schedule(setting), date.fromisoformat(today)
    assert schedule.last_due(day) == run(*last)
    assert schedule.next_due(day) == run(*following)


def test_a_schedule_that_is_off_has_no_runs() -> None:
    schedule = read_schedule("off")
    assert schedule.last_due(OCTOBER) is None
    assert schedule.next_due(OCTOBER) is None


def test_penalties_are_accrued_monthly_unless_the_operator_says_otherwise() -> None:
    assert load_settings({}).ledger_accruals == Settings().ledger_accruals == "monthly"
    assert load_settings({"SALDO_LEDGER_ACCRUALS": "daily"}).ledger_accruals == "daily"


@pytest.mark.parametrize("wrong", ["weekly", "monthly:0", "monthly:29", "monthly:", "Daily", "on"])
def test_a_setting_that_is_no_schedule_stops_the_process(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_LEDGER_ACCRUALS is monthly"):
        load_settings({"SALDO_LEDGER_ACCRUALS": wrong})
