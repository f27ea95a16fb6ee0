"""A payment is undone: at once, and after its money has moved on."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from ledger_steps import (
    DAY,
    EARLIER,
    LATER,
    LATEST,
    NOVEMBER,
    NUMBER,
    OCTOBER,
    adjust,
    an_account,
    bill,
    correct,
    last,
    pay,
    sums,
)

from services.ledger.domain import OPENING_PERIOD
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    PaymentReversed,
    ServiceAmount,
)
from services.ledger.penalties.payment_matching import Part
from shared.errors import NotFound
from tests.unit.ledger.settled_debts import debts


def test_a_reversal_undoes_what_the_payment_did() -> None:
    account = an_account(ServiceAmount("heating", 100))
    account.accrue_penalty(20, DAY, "rule-1")
    name = pay(account, 130, 15)
    assert account.reverse_payment(name, LATER, "refused by the bank") is True
    assert last(account) == PaymentReversed(
        account=NUMBER,
        payment_id=name,
        corrects=3,
        effective_on=LATER,
        reason="refused by the bank",
        amount=130,
        penalty=15,
        restored=(AllocatedPart(OPENING_PERIOD, "heating", 100),),
        penalty_restored=20,  # 15 were named, and 5 were left of the 130
        advance_taken=25,
        moved=(),
    )
    assert sums(account) == (100, 20, 0)
    assert account.reverse_payment(name, LATER, "again") is False


def test_a_payment_that_was_not_posted_has_no_reversal() -> None:
    with pytest.raises(NotFound) as refused:
        an_account().reverse_payment(uuid4(), DAY, "x")
    assert refused.value.code == "payment_not_posted"


def test_a_reversal_takes_effect_no_earlier_than_the_payment() -> None:
    account = an_account()
    account.reverse_payment(pay(account, 10), EARLIER, "x")
    assert last(account).effective_on == DAY


def test_bills_paid_by_its_advance_are_owed_again_last_first() -> None:
    account = an_account()
    first = pay(account, 100)
    pay(account, 60)
    bill(account, OCTOBER, LATER, heating=90)
    bill(account, NOVEMBER, LATER, heating=40, water=20)
    assert sums(account) == (0, 0, 10)
    account.reverse_payment(first, LATER, "x")
    assert last(account).advance_taken == 10
    assert last(account).reopened == (
        AllocatedPart(NOVEMBER, "water", 20),
        AllocatedPart(NOVEMBER, "heating", 40),
        AllocatedPart(OCTOBER, "heating", 30),
    )
    assert account.open_items == {
        OCTOBER: {"heating": 30},
        NOVEMBER: {"heating": 40, "water": 20},
    }


def test_a_bill_that_was_taken_off_since_is_not_owed_again() -> None:
    account = an_account()
    name = pay(account, 200)
    bill(account, OCTOBER, LATER, heating=100)
    bill(account, NOVEMBER, LATER, water=100)
    adjust(account, NOVEMBER, LATER, water=-100)
    account.reverse_payment(name, LATER, "x")
    # Water costs nothing any more; what it had cost went into the advance and out of it.
    assert last(account).advance_taken == 100
    assert last(account).reopened == (AllocatedPart(OCTOBER, "heating", 100),)
    assert account.open_items == {OCTOBER: {"heating": 100}}
    assert sums(account) == (100, 0, 0)


def test_the_paid_part_of_a_lowered_bill_is_taken_from_the_advance() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    adjust(account, on=LATER, heating=-60)
    account.reverse_payment(name, LATER, "x")
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 40),)
    assert last(account).advance_taken == 60
    assert sums(account) == (40, 0, 0)


def test_a_bill_lowered_beyond_its_sum_and_raised_again_is_what_it_was_raised_by() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    adjust(account, on=LATER, heating=-150)
    adjust(account, on=LATER, heating=30)
    assert (account.billed(OCTOBER), sums(account)) == ({"heating": 30}, (0, 0, 120))
    account.reverse_payment(name, LATER, "x")
    # 100 of the 150 was the payment's; of the 50 that nobody had paid, 30 went into the bill.
    assert sums(account) == (0, 0, 20)


def test_recalculations_of_other_months_do_not_lower_a_bill() -> None:
    account = an_account()
    bill(account, OCTOBER, heating=100, water=-5)
    bill(account, NOVEMBER, heating=100)
    adjust(account, NOVEMBER, heating=-60)
    assert account.billed(OCTOBER) == {"heating": 100, "water": 0}
    assert account.billed(NOVEMBER) == {"heating": 40}


def test_the_last_payment_is_given_back_first() -> None:
    account = an_account()
    bill(account, heating=100)
    first, second = pay(account, 60), pay(account, 40)
    adjust(account, on=LATER, heating=-50)
    assert sums(account) == (0, 0, 50)
    account.reverse_payment(second, LATER, "x")
    assert (last(account).restored, last(account).advance_taken) == ((), 40)
    account.reverse_payment(first, LATEST, "x")
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 50),)
    assert sums(account) == (50, 0, 0)


def test_an_addition_after_money_back_that_was_spent_is_paid_by_a_payment_of_its_own() -> None:
    account = an_account()
    bill(account, heating=100)
    pay(account, 100)
    adjust(account, on=LATER, heating=-60)
    bill(account, NOVEMBER, LATEST, heating=60)
    assert sums(account) == (0, 0, 0)
    adjust(account, on=LATEST, heating=20)
    again = pay(account, 20, on=LATEST)
    assert sums(account) == (0, 0, 0)
    account.reverse_payment(again, LATEST, "x")
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 20),)
    assert account.open_items == {OCTOBER: {"heating": 20}}


def test_debts_reopened_by_a_reversal_bear_a_penalty() -> None:
    account = an_account()
    bill(account, heating=100)
    first = pay(account, 100)
    adjust(account, on=LATER, heating=20)
    second = pay(account, 20, on=LATER)
    account.reverse_payment(first, LATER, "x")
    pay(account, 100, on=LATEST)
    account.reverse_payment(second, LATEST, "x")
    assert account.open_items == {OCTOBER: {"heating": 20}}
    billed, added = debts(account.pending)
    assert (billed.due.late_after, billed.parts) == (DAY, (Part(100, LATEST),))
    assert (added.due.late_after, added.parts) == (LATER, (Part(20),))


def test_two_reversals_take_each_kopeck_once() -> None:
    account = an_account()
    first, second = pay(account, 50), pay(account, 50)
    bill(account, OCTOBER, LATER, heating=70)
    bill(account, NOVEMBER, LATER, heating=30)
    account.reverse_payment(first, LATER, "x")
    assert account.open_items == {OCTOBER: {"heating": 20}, NOVEMBER: {"heating": 30}}
    account.reverse_payment(second, LATER, "x")
    assert last(account).reopened == (AllocatedPart(OCTOBER, "heating", 50),)
    assert account.open_items == {OCTOBER: {"heating": 70}, NOVEMBER: {"heating": 30}}


def test_a_waiver_does_not_touch_what_was_paid() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    name = pay(account, 0, 40)
    account.write_off_penalty(60, DAY, "x")
    account.reverse_payment(name, DAY, "x")
    assert (last(account).penalty_restored, sums(account)) == (40, (0, 40, 0))


def test_a_balance_taken_over_later_is_paid_by_the_earlier_payment_and_owed_again() -> None:
    account = an_account()
    name = pay(account, 80)
    account.post_opening(DAY, [ServiceAmount("heating", 100), ServiceAmount("lift", -30)])
    # Of the 100, 30 are paid by what was taken over for the lift, and 70 by the payment.
    assert last(account).allocation == (AllocatedPart(OPENING_PERIOD, "heating", 30),)
    assert last(account).moved == (AllocatedPart(OPENING_PERIOD, "heating", 70),)
    assert sums(account) == (0, 0, 10)
    account.reverse_payment(name, DAY, "x")
    assert last(account).restored == (AllocatedPart(OPENING_PERIOD, "heating", 70),)
    assert (last(account).advance_taken, last(account).reopened) == (10, ())
    assert sums(account) == (70, 0, 0)


def test_a_penalty_taken_back_since_it_was_paid_is_not_owed_again() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    name = pay(account, 0, 100)
    correct(account, -70)
    assert sums(account) == (0, 0, 70)
    account.reverse_payment(name, DAY, "x")
    assert (last(account).penalty_restored, last(account).advance_taken) == (30, 70)
    assert sums(account) == (0, 30, 0)


def test_the_same_item_paid_twice_in_advance_is_reopened_part_by_part() -> None:
    account = an_account()
    first, second = pay(account, 30), pay(account, 20)
    bill(account, on=LATER, heating=30)
    adjust(account, on=LATEST, heating=15)
    account.reverse_payment(second, LATEST, "x")
    assert last(account).advance_taken == 5
    assert last(account).reopened == (AllocatedPart(OCTOBER, "heating", 15),)
    billed, added = debts(account.pending)
    assert (billed.parts, added.parts) == ((Part(30, LATER),), (Part(15),))
    account.reverse_payment(first, LATEST + timedelta(days=1), "x")
    assert last(account).reopened == (AllocatedPart(OCTOBER, "heating", 30),)
    assert sums(account) == (45, 0, 0)


def test_a_reversal_after_the_advance_was_spent_owes_again_what_it_had_paid() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 150)
    bill(account, NOVEMBER, LATER, heating=80)  # 50 of it by the advance
    pay(account, 30, on=LATER)
    assert sums(account) == (0, 0, 0)
    account.reverse_payment(name, LATEST, "charged back")
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 100),)
    assert last(account).reopened == (AllocatedPart(NOVEMBER, "heating", 50),)
    assert last(account).advance_taken == 0
    october, november = debts(account.pending)
    assert october.parts == (Part(100),)
    assert november.parts == (Part(30, LATER), Part(50))


def test_a_reversal_is_the_same_whatever_was_recorded_first() -> None:
    """The bill that the advance had paid becomes known only after the reversal."""
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 150)
    account.reverse_payment(name, LATEST, "charged back")
    assert (last(account).advance_taken, sums(account)) == (50, (100, 0, 0))
    bill(account, NOVEMBER, LATER, heating=80)
    # On its day the advance paid 50 of it; since the reversal that is owed again.
    assert last(account).allocation == (AllocatedPart(NOVEMBER, "heating", 50),)
    assert last(account).moved == (AllocatedPart(NOVEMBER, "heating", -50),)
    assert sums(account) == (180, 0, 0)
