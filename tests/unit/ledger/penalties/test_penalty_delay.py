"""The days of a delay: where it begins, what is spared, leap years, several charges."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from penalty_rule_files import WriteRules

from services.ledger.penalties.calculator import Penalty, calculate
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import PenaltyRules, load_rules
from services.ledger.penalties.timeline import LAST_DAY, timeline
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT
from shared.payer_kinds import PayerKind

HOUSEHOLD = PayerKind.HOUSEHOLD


def segments_of(penalty: Penalty, charge: int = 0) -> list[tuple[str, str, str, int]]:
    return [
        (str(segment.first_day), str(segment.last_day), segment.reason, segment.amount)
        for segment in penalty.charges[charge].segments
    ]


def test_a_moratorium_counts_its_days_and_bears_nothing(rules: PenaltyRules) -> None:
    charge = Charge(period="2020-01", amount=450_000)  # due 2020-02-10
    paid = [Credit(on=date(2021, 1, 20), amount=450_000)]  # 4.25 %
    penalty = calculate([charge], paid, HOUSEHOLD, date(2021, 1, 20), rules)
    assert segments_of(penalty) == [
        ("2020-02-11", "2020-03-11", "deferment", 0),  # 29 February is one of the 30 days
        ("2020-03-12", "2020-04-05", "accrual", 15_94),
        ("2020-04-06", "2020-12-31", "moratorium", 0),
        ("2021-01-01", "2021-01-20", "accrual", 29_42),
    ]
    last = penalty.charges[0].segments[-1]
    assert last.divisor == 130  # day 90 was within the moratorium
    assert not penalty.unconfirmed


def test_a_moratorium_that_is_unconfirmed_marks_the_result(rules: PenaltyRules) -> None:
    charge = Charge(period="2022-02", amount=450_000)  # due 2022-03-10
    paid = [Credit(on=date(2022, 10, 2), amount=450_000)]
    penalty = calculate([charge], paid, PayerKind.ORGANISATION, date(2022, 10, 2), rules)
    assert segments_of(penalty) == [
        ("2022-03-11", "2022-03-31", "accrual", 54_52),
        ("2022-04-01", "2022-10-01", "moratorium", 0),
        ("2022-10-02", "2022-10-02", "accrual", 2_60),
    ]
    assert penalty.unconfirmed
    within = calculate([charge], [], PayerKind.ORGANISATION, date(2022, 3, 31), rules)
    assert not within.unconfirmed


def test_a_moratorium_may_spare_some_payers_only(write_rules: WriteRules) -> None:
    moratorium = {"from": "2026-05-01", "to": "2026-05-20", "source": "a decree"}
    rules = load_rules(write_rules(moratoria=[{**moratorium, "payers": ["household"]}]))
    charge, on = Charge(period="2026-03", amount=450_000), date(2026, 5, 21)
    household = calculate([charge], [], HOUSEHOLD, on, rules)
    # Where nothing would be borne anyhow, the deferment is the reason.
    assert segments_of(household) == [
        ("2026-04-16", "2026-05-15", "deferment", 0),
        ("2026-05-16", "2026-05-20", "moratorium", 0),
        ("2026-05-21", "2026-05-21", "accrual", 1_43),
    ]
    assert household.charges[0].segments[1].basis == ("a decree",)
    organisation = calculate([charge], [], PayerKind.ORGANISATION, on, rules)
    assert [segment.days for segment in organisation.charges[0].segments] == [36]


def test_a_new_rule_holds_from_its_day_with_the_days_counted_on(
    write_rules: WriteRules, rules: PenaltyRules
) -> None:
    def rule(first_day: str, *bands: dict[str, Any]) -> dict[str, Any]:
        return {"from": first_day, "source": f"law of {first_day}", "bands": list(bands)}

    payers = {
        kind.value: [rule("2016-01-01", {"from_day": 1, "divisor": 300})] for kind in PayerKind
    }
    payers["household"] += [
        rule("2026-05-01", {"from_day": 1, "divisor": 300}),  # the same: no cut between them
        rule(
            "2026-06-01",
            {"from_day": 1, "to_day": 50, "divisor": "null"},
            {"from_day": 51, "divisor": 100},
        ),
    ]
    changed = load_rules(write_rules(payers=payers))
    assert changed.version != rules.version
    charge = Charge(period="2026-03", amount=450_000)
    penalty = calculate([charge], [], HOUSEHOLD, date(2026, 6, 30), changed)
    assert [
        (str(segment.first_day), segment.days, segment.divisor)
        for segment in penalty.charges[0].segments
    ] == [
        ("2026-04-16", 46, 300),
        ("2026-06-01", 4, None),  # days 47 to 50
        ("2026-06-05", 26, 100),
    ]


def test_the_day_of_payment_is_a_day_of_delay_and_the_due_day_is_none(
    rules: PenaltyRules,
) -> None:
    charge = Charge(period="2026-03", amount=450_000)

    def days(paid_on: date) -> int:
        paid = [Credit(on=paid_on, amount=450_000)]
        penalty = calculate([charge], paid, PayerKind.ORGANISATION, date(2026, 9, 1), rules)
        return sum(segment.days for segment in penalty.charges[0].segments)

    assert [days(date(2026, 4, day)) for day in (1, 15, 16, 17)] == [0, 0, 1, 2]


def test_a_leap_year_has_one_day_more(rules: PenaltyRules) -> None:
    def days(year: int) -> int:
        charge = Charge(amount=450_000, due_on=date(year, 2, 10))
        on = date(year, 3, 10)
        penalty = calculate([charge], [], PayerKind.ORGANISATION, on, rules)
        return penalty.charges[0].segments[0].days

    assert (days(2023), days(2024), days(2025)) == (28, 29, 28)


def test_payments_pay_the_oldest_due_date_first(rules: PenaltyRules) -> None:
    april, march = Charge(period="2026-04", amount=100), Charge(period="2026-03", amount=200)
    paid = [Credit(on=date(2026, 7, 1), amount=250)]
    penalty = calculate([april, march], paid, HOUSEHOLD, date(2026, 8, 10), rules)
    assert [charge.unpaid for charge in penalty.charges] == [50, 0]
    assert penalty.charges[1].segments[-1].last_day == date(2026, 7, 1)
    assert penalty.total == sum(charge.total for charge in penalty.charges)


def test_a_credit_pays_the_charge_that_it_names(rules: PenaltyRules) -> None:
    march, april = Charge(period="2026-03", amount=200), Charge(period="2026-04", amount=100)
    paid = [
        Credit(on=date(2026, 7, 1), amount=100, charge=1),
        Credit(on=date(2026, 7, 2), amount=250),
    ]
    penalty = calculate([march, april], paid, HOUSEHOLD, date(2026, 8, 10), rules)
    assert [charge.unpaid for charge in penalty.charges] == [0, 0]
    assert penalty.charges[1].segments[-1].last_day == date(2026, 7, 1)
    assert penalty.advance == 50


def test_an_advance_pays_a_charge_when_it_takes_effect(rules: PenaltyRules) -> None:
    march = Charge(period="2026-03", amount=200)
    late = Charge(period="2026-01", amount=300, effective_on=date(2026, 6, 1))
    paid = [Credit(on=date(2026, 5, 1), amount=450)]
    penalty = calculate([march, late], paid, PayerKind.ORGANISATION, date(2026, 8, 10), rules)
    assert [charge.unpaid for charge in penalty.charges] == [0, 50]
    # March was paid on the day of the payment, though a charge with an older due date came later.
    assert penalty.charges[0].segments[-1].last_day == date(2026, 5, 1)
    [segment] = penalty.charges[1].segments
    assert (segment.first_day, segment.base) == (date(2026, 6, 2), 50)
    before = calculate([march, late], paid, PayerKind.ORGANISATION, date(2026, 5, 31), rules)
    assert (before.unpaid, before.advance) == (0, 250)


def test_payments_after_the_day_are_left_out_and_listed(rules: PenaltyRules) -> None:
    march = Charge(period="2026-03", amount=450_000)
    later = Credit(on=date(2026, 7, 15), amount=450_000)
    penalty = calculate([march], [later], HOUSEHOLD, date(2026, 7, 14), rules)
    assert penalty.total == 85_50
    assert penalty.provisional
    assert penalty.left_out == (later,)


def test_nothing_owed_bears_nothing(rules: PenaltyRules) -> None:
    assert calculate([], [], HOUSEHOLD, date(2026, 8, 10), rules).total == 0
    zero = calculate([Charge(period="2026-03", amount=0)], [], HOUSEHOLD, date(2026, 8, 10), rules)
    assert zero.charges[0].segments == ()
    assert not zero.provisional


def test_the_largest_amount_over_a_century_stays_exact(rules: PenaltyRules) -> None:
    charge = Charge(due_on=date(2026, 4, 15), amount=MAX_AMOUNT)
    penalty = calculate([charge], [], PayerKind.ORGANISATION, LAST_DAY, rules)
    days = (LAST_DAY - date(2026, 4, 15)).days
    assert penalty.exact == Fraction(16, 100) * MAX_AMOUNT * days / 130
    assert abs(penalty.total - penalty.exact) <= Fraction(1, 2)


def test_a_timeline_has_neither_gap_nor_overlap(rules: PenaltyRules) -> None:
    for payer in PayerKind:
        for first_day in (date(2019, 12, 31), date(2022, 3, 11), date(2026, 4, 16)):
            periods = timeline(rules, payer, first_day)
            assert periods[0].first_day == first_day
            assert periods[-1].last_day == LAST_DAY
            for period, after in pairwise(periods):
                assert (after.first_day - period.last_day).days == 1


MARCH = Charge(period="2026-03", amount=200)


@pytest.mark.parametrize(
    ("charge", "credit", "code"),
    [
        (Charge(period="2026-03", amount=-1), None, "invalid_amount"),
        (Charge(period="2026-03", amount=MAX_AMOUNT + 1), None, "invalid_amount"),
        (Charge(period="2026-3", amount=1), None, "invalid_period"),
        (Charge(period="", amount=1), None, "invalid_period"),
        (Charge(due_on=date(9999, 12, 31), amount=1), None, "invalid_day"),
        (Charge(due_on=date(2015, 12, 30), amount=1), None, "no_penalty_rule"),
        (MARCH, Credit(on=date(2026, 5, 1), amount=0), "invalid_amount"),
        (MARCH, Credit(on=date(2026, 5, 1), amount=1, charge=1), "unknown_charge"),
        (MARCH, Credit(on=date(2026, 5, 1), amount=1, charge=-1), "unknown_charge"),
        (MARCH, Credit(on=date(2026, 5, 1), amount=201, charge=0), "credit_exceeds_charge"),
    ],
)
def test_impossible_charges_and_credits_are_refused(
    rules: PenaltyRules, charge: Charge, credit: Credit | None, code: str
) -> None:
    with pytest.raises(ValidationFailed) as refused:
        calculate([charge], [credit] if credit else [], HOUSEHOLD, date(2026, 8, 10), rules)
    assert refused.value.code == code


def test_a_day_of_calculation_beyond_reckoning_is_refused(rules: PenaltyRules) -> None:
    with pytest.raises(ValidationFailed, match="check the year"):
        calculate([MARCH], [], HOUSEHOLD, date(2200, 1, 1), rules)
