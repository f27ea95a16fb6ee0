"""Whatever the debts and payments, the calculator agrees with a plain day-by-day oracle."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from penalty_oracle import of_debts, rate_on

from services.ledger.penalties.calculator import Penalty, calculate
from services.ledger.penalties.explanation import days_of
from services.ledger.penalties.payment_matching import Charge, Credit
from services.ledger.penalties.rules import load_rules
from shared.payer_kinds import PayerKind

RULES = load_rules(environ={})

AMOUNTS = st.integers(min_value=1, max_value=10**8)
PAYERS = st.sampled_from(PayerKind)
# Over all key rates, both moratoria, the cap and both its ends.
DAYS = st.dates(date(2019, 6, 17), date(2027, 6, 30))
DUE = st.dates(date(2019, 6, 17), date(2026, 12, 31))
DEBTS = st.lists(st.tuples(AMOUNTS, DUE), min_size=1, max_size=4)
PAID = st.lists(st.tuples(DAYS, AMOUNTS), max_size=5)

# A time in which the rate of every day is the same 9.5 %.
STEADY = st.dates(date(2023, 8, 15), date(2026, 6, 30))


def penalty_of(
    payer: PayerKind, debts: list[tuple[int, date]], paid: list[tuple[date, int]], on: date
) -> Penalty:
    charges = [Charge(amount=amount, due_on=due_on) for amount, due_on in debts]
    credits = [Credit(on=day, amount=amount) for day, amount in paid]
    return calculate(charges, credits, payer, on, RULES)


@given(DAYS)
def test_the_rate_of_a_day_is_that_of_the_oracle(day: date) -> None:
    rate = RULES.rate_on(day)
    assert Fraction(rate.numerator, rate.denominator) == rate_on(day)


@settings(deadline=None)  # the oracle takes the time it takes
@given(PAYERS, DEBTS, PAID, DAYS)
def test_the_exact_total_is_that_of_the_oracle(
    payer: PayerKind, debts: list[tuple[int, date]], paid: list[tuple[date, int]], on: date
) -> None:
    penalty = penalty_of(payer, debts, paid, on)
    assert penalty.exact == of_debts(payer.value, debts, paid, on)
    debt = sum(amount for amount, _ in debts)
    counted = sum(amount for day, amount in paid if day <= on)
    assert penalty.unpaid - penalty.advance == debt - counted


@settings(deadline=None)  # every day of years is looked at
@given(PAYERS, DEBTS, PAID, DAYS)
def test_the_segments_are_homogeneous_and_rounded_once_each(
    payer: PayerKind, debts: list[tuple[int, date]], paid: list[tuple[date, int]], on: date
) -> None:
    for charge in penalty_of(payer, debts, paid, on).charges:
        for segment in charge.segments:
            assert segment.days == (segment.last_day - segment.first_day).days + 1 >= 1
            assert segment.base > 0
            assert segment.amount == (2 * segment.exact + 1) // 2
            assert (segment.rate is None) == (segment.reason != "accrual")
            alike = [
                other
                for other in charge.segments
                if (other.base, other.rate, other.divisor, other.reason)
                == (segment.base, segment.rate, segment.divisor, segment.reason)
                and other.first_day == segment.last_day + timedelta(days=1)
            ]
            assert alike == [], "two segments that should be one"
        assert charge.total == sum(segment.amount for segment in charge.segments)
        assert sum((day.exact for day in days_of(charge)), Fraction(0)) == charge.exact


@given(PAYERS, DEBTS, PAID, STEADY, st.integers(1, 200))
def test_a_later_day_never_costs_less_at_one_rate(
    payer: PayerKind,
    debts: list[tuple[int, date]],
    paid: list[tuple[date, int]],
    on: date,
    days: int,
) -> None:
    later = min(on + timedelta(days=days), date(2026, 12, 31))
    assert penalty_of(payer, debts, paid, on).exact <= penalty_of(payer, debts, paid, later).exact


@given(PAYERS, DEBTS, DAYS)
def test_debts_add_up(payer: PayerKind, debts: list[tuple[int, date]], on: date) -> None:
    alone = [penalty_of(payer, [debt], [], on) for debt in debts]
    together = penalty_of(payer, debts, [], on)
    assert together.exact == sum(penalty.exact for penalty in alone)
    assert together.total == sum(penalty.total for penalty in alone)


@given(PAYERS, AMOUNTS, AMOUNTS, DUE, PAID, DAYS)
def test_a_charge_in_two_halves_of_one_due_date_bears_the_same(
    payer: PayerKind, first: int, second: int, due_on: date, paid: list[tuple[date, int]], on: date
) -> None:
    whole = penalty_of(payer, [(first + second, due_on)], paid, on)
    halves = penalty_of(payer, [(first, due_on), (second, due_on)], paid, on)
    assert whole.exact == halves.exact


@given(PAYERS, DEBTS, PAID, DAYS, st.data())
def test_the_order_of_payments_does_not_matter(
    payer: PayerKind,
    debts: list[tuple[int, date]],
    paid: list[tuple[date, int]],
    on: date,
    data: st.DataObject,
) -> None:
    shuffled = data.draw(st.permutations(paid))
    assert (
        penalty_of(payer, debts, shuffled, on).charges == penalty_of(payer, debts, paid, on).charges
    )


@given(PAYERS, AMOUNTS, DUE, DAYS)
def test_paying_on_the_day_costs_the_forecast(
    payer: PayerKind, amount: int, due_on: date, on: date
) -> None:
    forecast = penalty_of(payer, [(amount, due_on)], [], on)
    paid = penalty_of(payer, [(amount, due_on)], [(on, amount)], on + timedelta(days=90))
    assert paid.total == forecast.total
    assert paid.exact == forecast.exact
    assert not paid.provisional
