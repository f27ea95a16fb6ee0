"""Due dates: the day of the next month, moved to a working day."""

from __future__ import annotations

from datetime import date

import pytest
from penalty_rule_files import WriteRules

from services.ledger.penalties.calculator import calculate
from services.ledger.penalties.calendar import due_day_of, due_on
from services.ledger.penalties.payment_matching import Charge
from services.ledger.penalties.rules import PenaltyRules, load_rules
from shared.errors import ValidationFailed
from shared.payer_kinds import PayerKind


@pytest.mark.parametrize(
    ("period", "due"),
    [
        ("2019-09", date(2019, 10, 10)),
        ("2022-04", date(2022, 5, 11)),  # 10 May was off by transfer
        ("2023-12", date(2024, 1, 10)),
        ("2024-01", date(2024, 2, 12)),  # a Saturday
        ("2025-04", date(2025, 5, 12)),  # a Saturday
        ("2025-12", date(2026, 1, 12)),  # a Saturday after the holidays of January
        ("2026-01", date(2026, 2, 10)),
        ("2026-02", date(2026, 3, 10)),
        ("2026-03", date(2026, 4, 15)),
        ("2026-07", date(2026, 8, 17)),  # a Saturday
        ("2026-10", date(2026, 11, 16)),  # a Sunday
        ("2026-12", date(2027, 1, 15)),
    ],
)
def test_when_a_month_is_due(rules: PenaltyRules, period: str, due: date) -> None:
    assert due_on(period, rules) == due


def test_only_the_month_before_the_change_is_unconfirmed(rules: PenaltyRules) -> None:
    unconfirmed = {
        period: due_day_of(period, rules).unconfirmed
        for period in ("2026-01", "2026-02", "2026-03", "2027-01")
    }
    assert [period for period, flag in unconfirmed.items() if flag] == ["2026-02"]
    charge = Charge(period="2026-02", amount=100_000)
    late = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 5, 1), rules)
    assert late.unconfirmed
    in_time = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 3, 10), rules)
    assert not in_time.unconfirmed
    named = Charge(period="2026-02", amount=100_000, due_on=date(2026, 3, 16))
    given = calculate([named], [], PayerKind.HOUSEHOLD, date(2026, 5, 1), rules)
    assert not given.unconfirmed


def test_a_due_date_that_is_given_is_not_moved(rules: PenaltyRules) -> None:
    saturday = Charge(amount=100, due_on=date(2026, 8, 15))
    penalty = calculate([saturday], [], PayerKind.ORGANISATION, date(2026, 8, 16), rules)
    assert penalty.charges[0].due_on == date(2026, 8, 15)
    assert penalty.charges[0].segments[0].days == 1


@pytest.mark.parametrize(
    ("day", "off"),
    [
        (date(2025, 11, 1), False),  # a Saturday that was worked
        (date(2025, 11, 3), True),
        (date(2025, 5, 8), True),
        (date(2025, 12, 31), True),
        (date(2026, 1, 9), True),
        (date(2026, 1, 12), False),
        (date(2026, 3, 9), True),
        (date(2026, 5, 11), True),
        (date(2026, 5, 12), False),
        (date(2026, 6, 12), True),
        (date(2026, 11, 4), True),
        (date(2027, 1, 8), True),
    ],
)
def test_a_day_off(rules: PenaltyRules, day: date, off: bool) -> None:
    assert rules.holidays.is_off(day) is off


def test_the_long_holidays_of_january_end_on_the_first_working_day(rules: PenaltyRules) -> None:
    assert rules.holidays.next_from(date(2025, 12, 31)) == date(2026, 1, 12)


@pytest.mark.parametrize(
    "period", ["", "2026", "2026-13", "2026-00", "26-03", "2026-03-01", "1999-12"]
)
def test_an_invalid_month_is_refused(rules: PenaltyRules, period: str) -> None:
    with pytest.raises(ValidationFailed, match="write it like 2026-03") as refused:
        due_on(period, rules)
    assert refused.value.code == "invalid_period"


def test_the_last_day_of_a_month_may_be_the_due_day(write_rules: WriteRules) -> None:
    due_days = [{"from_period": "2023-06", "day": "31", "source": "a contract"}]
    rules = load_rules(write_rules(due_days=due_days))
    # The February of a leap year, and of another that ends on a Friday.
    assert due_on("2024-01", rules) == date(2024, 2, 29)
    assert due_on("2025-01", rules) == date(2025, 2, 28)
    assert due_on("2026-01", rules) == date(2026, 3, 2)  # 28 February is a Saturday
    with pytest.raises(ValidationFailed, match="name no due day for 2023-05"):
        due_on("2023-05", rules)
