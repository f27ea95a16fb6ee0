"""Which day the worker reconciles by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.payments.reconciliation.nightly import CATCH_UP, due_day
from shared.config import ConfigurationError, load_settings

MOSCOW, FIVE = ZoneInfo("Europe/Moscow"), time(5)
BEFORE, AFTER = datetime(2026, 11, 20, 1, 59, tzinfo=UTC), datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
YESTERDAY = date(2026, 11, 19)


def test_a_day_is_due_at_the_hour_of_the_operator() -> None:
    before = YESTERDAY - timedelta(days=1)
    assert due_day(BEFORE, MOSCOW, FIVE, before) is None
    assert due_day(AFTER, MOSCOW, FIVE, before) == YESTERDAY
    assert due_day(AFTER, MOSCOW, FIVE, YESTERDAY) is None


def test_without_any_reconciliation_only_yesterday_is_due() -> None:
    assert due_day(AFTER, MOSCOW, FIVE, None) == YESTERDAY


def test_missed_days_are_made_up_for_the_oldest_first() -> None:
    last = YESTERDAY - timedelta(days=3)
    made = []
    while (day := due_day(AFTER, MOSCOW, FIVE, last)) is not None:
        made.append(day)
        last = day
    assert made == [YESTERDAY - timedelta(days=back) for back in (2, 1, 0)]


def test_no_more_than_a_week_is_made_up_for() -> None:
    last = YESTERDAY - timedelta(days=100)
    assert due_day(AFTER, MOSCOW, FIVE, last) == YESTERDAY - timedelta(days=CATCH_UP - 1)


def test_the_hour_is_a_setting() -> None:
    assert load_settings({}).payments_reconcile_at == FIVE
    set_ = load_settings({"SALDO_PAYMENTS_RECONCILE_AT": "23:30"})
    assert set_.payments_reconcile_at == time(23, 30)


@pytest.mark.parametrize("text", ["5", "24:00", "05:60", "5:00", "noon"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SALDO_PAYMENTS_RECONCILE_AT"):
        load_settings({"SALDO_PAYMENTS_RECONCILE_AT": text})
