"""The worked tables: every segment, to the kopeck."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from services.ledger.penalties.calculator import Penalty, calculate
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PenaltyRules
from shared.payer_kinds import PayerKind

MARCH = Charge(period="2026-03", amount=450_000)
PAID = (
    Credit(on=date(2026, 6, 20), amount=200_000),
    Credit(on=date(2026, 8, 10), amount=250_000),
)
LAST = date(2026, 8, 10)


def rows(penalty: Penalty) -> list[tuple[str, int, int, int | None, int]]:
    """Return each segment as ``04-16..05-15``, days, base, divisor, amount."""
    return [
        (
            f"{segment.first_day:%m-%d}..{segment.last_day:%m-%d}",
            segment.days,
            segment.base,
            segment.divisor,
            segment.amount,
        )
        for charge in penalty.charges
        for segment in charge.segments
    ]


def test_a_household_that_pays_in_two_parts(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.HOUSEHOLD, LAST, rules)
    assert rows(penalty) == [
        ("04-16..05-15", 30, 450_000, None, 0),
        ("05-16..06-20", 36, 450_000, 300, 51_30),
        ("06-21..07-14", 24, 250_000, 300, 19_00),
        ("07-15..08-10", 27, 250_000, 130, 49_33),
    ]
    assert penalty.charges[0].due_on == date(2026, 4, 15)
    assert penalty.total == 119_63
    assert not penalty.provisional
    assert not penalty.unconfirmed
    assert penalty.unpaid == penalty.advance == 0


def test_the_same_for_capital_repair_never_reaches_the_second_step(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.CAPITAL_REPAIR, LAST, rules)
    assert rows(penalty) == [
        ("04-16..05-15", 30, 450_000, None, 0),
        ("05-16..06-20", 36, 450_000, 300, 51_30),
        ("06-21..08-10", 51, 250_000, 300, 40_38),
    ]
    assert penalty.total == 91_68
    assert penalty.exact == Fraction("9167.5")


def test_the_same_for_an_organisation_bears_from_the_first_day(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.ORGANISATION, LAST, rules)
    assert rows(penalty) == [
        ("04-16..06-20", 66, 450_000, 130, 217_04),
        ("06-21..08-10", 51, 250_000, 130, 93_17),
    ]
    assert penalty.total == 310_21


def test_the_same_for_a_managing_company_has_three_steps(rules: PenaltyRules) -> None:
    penalty = calculate([MARCH], PAID, PayerKind.MANAGING_COMPANY, LAST, rules)
    assert rows(penalty) == [
        ("04-16..06-14", 60, 450_000, 300, 85_50),
        ("06-15..06-20", 6, 450_000, 170, 15_09),
        ("06-21..07-14", 24, 250_000, 170, 33_53),
        ("07-15..08-10", 27, 250_000, 130, 49_33),
    ]
    assert penalty.total == 183_45


@pytest.mark.parametrize(
    ("through", "exact", "rounded"),
    [
        (date(2026, 4, 15), Fraction(0), 0),
        (date(2026, 5, 15), Fraction(0), 0),
        (date(2026, 5, 16), Fraction("142.5"), 1_43),
        (date(2026, 7, 14), Fraction(8550), 85_50),
        (date(2026, 7, 15), Fraction(8550) + Fraction(450_000 * 95, 130 * 1000), 88_79),
    ],
)
def test_the_same_debt_unpaid(
    rules: PenaltyRules, through: date, exact: Fraction, rounded: int
) -> None:
    penalty = calculate([MARCH], [], PayerKind.HOUSEHOLD, through, rules)
    assert penalty.exact == exact
    assert penalty.total == rounded
    assert penalty.unpaid == 450_000
    assert penalty.provisional is (exact > 0)


def test_a_segment_is_rounded_once_and_not_each_of_its_days(rules: PenaltyRules) -> None:
    # A little more than half a kopeck a day: days rounded apart would be 30 kopecks.
    charge = Charge(period="2026-03", amount=1579)
    penalty = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 6, 14), rules)
    [_, segment] = penalty.charges[0].segments
    assert segment.days == 30
    assert segment.exact == Fraction(30 * 1579 * 95, 1000 * 300)
    assert segment.amount == 15


@pytest.mark.parametrize(("base", "rounded"), [(100, 0), (15_789, 5), (15_790, 5), (157_895, 50)])
def test_one_day_is_rounded_half_up(rules: PenaltyRules, base: int, rounded: int) -> None:
    charge = Charge(period="2026-03", amount=base)
    penalty = calculate([charge], [], PayerKind.HOUSEHOLD, date(2026, 5, 16), rules)
    assert penalty.total == rounded
    assert penalty.total == int(penalty.exact + Fraction(1, 2))
