"""Which part of a charge was paid on which day, at the boundaries of days and sums."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.ledger.penalties.payment_matching import Credit, Due, Part, match_payments
from shared.errors import ValidationFailed
from shared.money import MAX_AMOUNT

A_DAY = timedelta(days=1)
DUE, LATE_DUE = date(2026, 4, 15), date(2026, 5, 15)
ARRIVAL = date(2026, 4, 1)


def test_a_charge_of_the_day_is_there_for_a_payment_of_the_day() -> None:
    """And the oldest due date comes first, however the charges stand in the list."""
    charges = [Due(100, "2026-04", LATE_DUE, ARRIVAL), Due(100, "2026-03", DUE, ARRIVAL)]
    on_the_day = match_payments(charges, [Credit(on=ARRIVAL, amount=60)], ARRIVAL)
    assert on_the_day.parts == [[Part(100)], [Part(60, ARRIVAL), Part(40)]]
    assert on_the_day.advance == 0


def test_a_charge_of_the_day_that_was_due_before_all_others_is_paid_first() -> None:
    known, late = Due(100, "2026-04", LATE_DUE, ARRIVAL - A_DAY), Due(100, "2026-03", DUE, ARRIVAL)
    parts = match_payments([known, late], [Credit(on=ARRIVAL, amount=60)], ARRIVAL).parts
    assert parts == [[Part(100)], [Part(60, ARRIVAL), Part(40)]]


def test_an_advance_pays_the_oldest_due_date_of_what_takes_effect_on_one_day() -> None:
    charges = [Due(100, "2026-04", LATE_DUE, ARRIVAL), Due(100, "2026-03", DUE, ARRIVAL)]
    before = ARRIVAL - A_DAY
    for order in (charges, charges[::-1]):
        parts = match_payments(order, [Credit(on=before, amount=60)], ARRIVAL).parts
        assert dict(zip([charge.period for charge in order], parts, strict=True)) == {
            "2026-04": [Part(100)],
            "2026-03": [Part(60, before), Part(40)],
        }


def test_an_advance_pays_what_takes_effect_on_the_last_day_but_nothing_later() -> None:
    advance = [Credit(on=ARRIVAL - A_DAY, amount=60)]
    charges = [Due(100, "2026-03", DUE, ARRIVAL)]
    assert match_payments(charges, advance, ARRIVAL).advance == 0
    assert match_payments(charges, advance, ARRIVAL - A_DAY).advance == 60


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1])
def test_every_payment_is_looked_at_also_those_after_the_day(amount: int) -> None:
    charges = [Due(100, "2026-03", DUE)]
    later = [Credit(on=LATE_DUE, amount=5), Credit(on=LATE_DUE + A_DAY, amount=amount)]
    with pytest.raises(
        ValidationFailed, match=r"^A payment is a positive sum of kopecks\.$"
    ) as refused:
        match_payments(charges, later, DUE)
    assert refused.value.code == "invalid_amount"


def test_the_excess_of_the_largest_payment_is_an_advance() -> None:
    matched = match_payments([Due(1, "", DUE)], [Credit(on=DUE, amount=MAX_AMOUNT)], DUE)
    assert (matched.parts, matched.advance) == ([[Part(1, DUE)]], MAX_AMOUNT - 1)


@pytest.mark.parametrize("charge", [-1, 2])
def test_a_payment_names_a_charge_that_there_is(charge: int) -> None:
    charges = [Due(100, "2026-03", DUE), Due(100, "2026-04", LATE_DUE)]
    with pytest.raises(ValidationFailed, match=f"no charge {charge}") as refused:
        match_payments(charges, [Credit(on=DUE, amount=5, charge=charge)], DUE)
    assert refused.value.code == "unknown_charge"
    last = match_payments(charges, [Credit(on=DUE, amount=100, charge=1)], DUE)
    assert last.parts == [[Part(100)], [Part(100, DUE)]]


def test_a_payment_beyond_its_charge_is_refused_with_both_sums() -> None:
    charges = [Due(100_00, "2026-03", DUE)]
    paid = [Credit(on=DUE, amount=99_00, charge=0), Credit(on=LATE_DUE, amount=1_01, charge=0)]
    with pytest.raises(ValidationFailed, match=r"The 1,01 of 2026-05-15 .* open .* 1,00\."):
        match_payments(charges, paid, LATE_DUE)
