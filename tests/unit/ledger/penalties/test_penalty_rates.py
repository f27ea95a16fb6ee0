"""Which rate counts: that of the day each part was paid, capped while the cap holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from penalty_rule_files import WriteRules

from services.ledger.penalties.calculator import calculate
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PenaltyRules, load_rules
from shared.errors import ValidationFailed
from shared.payer_kinds import PayerKind


@pytest.mark.parametrize(
    ("day", "percent", "unconfirmed"),
    [
        (date(2019, 6, 17), "7.5", False),
        (date(2019, 7, 28), "7.5", False),
        (date(2019, 7, 29), "7.25", False),
        (date(2022, 2, 13), "8.5", False),
        (date(2022, 2, 27), "9.5", False),
        (date(2022, 2, 28), "9.5", False),  # the key rate is 20 from here, the cap holds
        (date(2022, 7, 24), "9.5", False),
        (date(2022, 7, 25), "8", False),  # less than the cap
        (date(2023, 8, 14), "8.5", False),
        (date(2023, 8, 15), "9.5", False),
        (date(2026, 12, 31), "9.5", False),  # what the key rate is does not matter
        (date(2027, 1, 1), "16", True),  # nobody has confirmed what it will be
    ],
)
def test_the_rate_of_a_day(rules: PenaltyRules, day: date, percent: str, unconfirmed: bool) -> None:
    rate = rules.rate_on(day)
    assert str(rate.percent) == percent
    assert Fraction(rate.numerator, rate.denominator) == Fraction(percent) / 100
    assert rate.unconfirmed is unconfirmed


def test_a_cap_not_above_zero_days_and_a_key_rate_below_it_are_unconfirmed_apart(
    write_rules: WriteRules,
) -> None:
    path = write_rules(key_rates={"2025-01-01": "5"}, key_rates_confirmed_to="2025-12-31")
    rules = load_rules(path)
    assert not rules.rate_on(date(2025, 12, 31)).unconfirmed
    assert rules.rate_on(date(2026, 1, 1)).unconfirmed  # 5 % is below the cap, and may have risen
    assert rules.rate_on(date(2026, 1, 1)).percent == 5


def test_a_day_before_the_first_rate_is_refused(rules: PenaltyRules) -> None:
    with pytest.raises(ValidationFailed, match="no key rate for 2019-06-16") as refused:
        rules.rate_on(date(2019, 6, 16))
    assert refused.value.code == "no_key_rate"


def test_parts_paid_at_different_rates_bear_apart_from_the_first_day_on(
    rules: PenaltyRules,
) -> None:
    # Due 2023-02-10; 2 000 paid at 7.5 %, 2 500 at 8.5 %.
    penalty = calculate(
        [Charge(period="2023-01", amount=450_000)],
        [
            Credit(on=date(2023, 6, 20), amount=200_000),
            Credit(on=date(2023, 8, 10), amount=250_000),
        ],
        PayerKind.HOUSEHOLD,
        date(2023, 8, 10),
        rules,
    )
    found = [
        (segment.first_day, segment.last_day, segment.base, segment.rate, segment.amount)
        for segment in penalty.charges[0].segments
    ]
    assert found == [
        (date(2023, 2, 11), date(2023, 3, 12), 450_000, None, 0),
        (date(2023, 3, 13), date(2023, 5, 11), 200_000, Decimal("7.5"), 30_00),
        (date(2023, 3, 13), date(2023, 5, 11), 250_000, Decimal("8.5"), 42_50),
        (date(2023, 5, 12), date(2023, 6, 20), 200_000, Decimal("7.5"), 46_15),
        # One homogeneous segment: the payment of the other part does not cut it.
        (date(2023, 5, 12), date(2023, 8, 10), 250_000, Decimal("8.5"), 148_75),
    ]
    assert penalty.total == 267_40


def test_parts_of_one_rate_are_one_debt_beside_a_part_of_another(rules: PenaltyRules) -> None:
    penalty = calculate(
        [Charge(period="2023-01", amount=600_000)],
        [
            Credit(on=date(2023, 6, 20), amount=100_000),
            Credit(on=date(2023, 7, 20), amount=200_000),  # 7.5 % like the first
            Credit(on=date(2023, 8, 10), amount=300_000),
        ],
        PayerKind.ORGANISATION,
        date(2023, 8, 10),
        rules,
    )
    found = [(segment.base, segment.rate, segment.days) for segment in penalty.charges[0].segments]
    assert found == [
        (300_000, Decimal("7.5"), 130),
        (300_000, Decimal("8.5"), 181),
        (200_000, Decimal("7.5"), 30),
    ]


def test_a_payment_fixes_the_rate_that_was_provisional(rules: PenaltyRules) -> None:
    charge = Charge(period="2022-10", amount=100_000)
    before = calculate([charge], [], PayerKind.HOUSEHOLD, date(2023, 9, 1), rules)
    assert before.provisional
    assert {segment.rate for segment in before.charges[0].segments} == {None, Decimal("9.5")}
    paid = [Credit(on=date(2023, 7, 1), amount=100_000)]
    after = calculate([charge], paid, PayerKind.HOUSEHOLD, date(2023, 9, 1), rules)
    assert not after.provisional
    assert {segment.rate for segment in after.charges[0].segments} == {None, Decimal("7.5")}
    assert after.charges[0].segments[-1].last_day == date(2023, 7, 1)


def test_only_the_part_that_is_unpaid_is_provisional(rules: PenaltyRules) -> None:
    penalty = calculate(
        [Charge(period="2023-01", amount=450_000)],
        [Credit(on=date(2023, 6, 20), amount=200_000)],
        PayerKind.ORGANISATION,
        date(2023, 8, 10),
        rules,
    )
    provisional = {segment.rate: segment.provisional for segment in penalty.charges[0].segments}
    assert provisional == {Decimal("7.5"): False, Decimal("8.5"): True}
    assert penalty.provisional


def test_a_payment_within_the_deferment_needs_no_rate(rules: PenaltyRules) -> None:
    charge = Charge(amount=100, due_on=date(2018, 5, 10))
    paid = [Credit(on=date(2018, 6, 9), amount=100)]  # its 30th day; no rate is listed for 2018
    penalty = calculate([charge], paid, PayerKind.HOUSEHOLD, date(2026, 1, 1), rules)
    assert penalty.total == 0
    [segment] = penalty.charges[0].segments
    assert (segment.days, segment.reason) == (30, "deferment")
    late = [Credit(on=date(2018, 6, 10), amount=100)]
    with pytest.raises(ValidationFailed, match="2018-06-10"):
        calculate([charge], late, PayerKind.HOUSEHOLD, date(2026, 1, 1), rules)


def test_after_the_cap_the_rate_is_unconfirmed(rules: PenaltyRules) -> None:
    charge = Charge(period="2026-09", amount=450_000)  # due 2026-10-15
    capped = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 12, 31), rules)
    assert not capped.unconfirmed
    assert capped.exact == 47 * 450_000 * Fraction("0.095") / 300
    assert capped.unpaid == 450_000
    free = calculate([charge], [], PayerKind.HOUSEHOLD, date(2027, 1, 1), rules)
    assert free.unconfirmed
    assert free.exact == 48 * 450_000 * Fraction("0.16") / 300


def test_an_operator_prolongs_the_cap_by_data(write_rules: WriteRules) -> None:
    caps = [
        {"from": "2022-02-28", "to": "2026-12-31", "percent": "9.5", "source": "first"},
        {"from": "2027-01-01", "to": "2027-12-31", "percent": "8.25", "source": "second"},
    ]
    rules = load_rules(write_rules(caps=caps, version="mine"))
    assert rules.rate_on(date(2026, 12, 31)).percent == Decimal("9.5")
    assert rules.rate_on(date(2027, 1, 1)).percent == Decimal("8.25")
    assert rules.rate_on(date(2028, 1, 1)).percent == 16
    assert rules.version.startswith("mine+")


def test_a_forecast_is_the_calculation_as_of_the_day_of_payment(rules: PenaltyRules) -> None:
    charge = Charge(period="2026-03", amount=450_000)
    first = Credit(on=date(2026, 6, 20), amount=200_000)
    forecast = calculate([charge], [first], PayerKind.HOUSEHOLD, date(2026, 8, 10), rules)
    assert (forecast.unpaid, forecast.total) == (250_000, 119_63)
    paid = [first, Credit(on=date(2026, 8, 10), amount=forecast.unpaid)]
    fixed = calculate([charge], paid, PayerKind.HOUSEHOLD, date(2026, 9, 30), rules)
    assert fixed.total == forecast.total
