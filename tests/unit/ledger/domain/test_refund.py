"""Money of a payment goes back: the last that it did is undone first."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
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
    last,
    new_id,
    pay,
    sums,
)

from services.ledger.domain import OPENING_PERIOD, Account, account_id
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.double_entry import postings
from services.ledger.domain.events import ChargeLine, PaymentRefunded, ServiceAmount
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.payment_matching import Part
from services.ledger.penalties.rules import load_rules
from shared.errors import Conflict, NotFound, ValidationFailed
from tests.unit.ledger.settled_debts import debts

LAW = PenaltyLaw(load_rules(environ={}))
MARCH, APRIL = "2026-03", "2026-04"


def refund(account: Account, payment: UUID, amount: int, on: date = LATER) -> UUID:
    name = new_id()
    assert account.refund_payment(payment, name, amount, on) is True
    return name


def an_account_under_the_law() -> Account:
    """Return the account of the README: March and April billed, nothing paid."""
    account = Account(account_id(NUMBER))
    account.law = LAW
    account.open(NUMBER, "household", date(2026, 3, 1))
    for period, on, due, lines in (
        (MARCH, date(2026, 3, 31), date(2026, 4, 15), {"heating": 3_000_00, "water": 1_500_00}),
        (APRIL, date(2026, 4, 30), date(2026, 5, 15), {"heating": 2_000_00, "water": 1_000_00}),
    ):
        made = [ChargeLine(name, name, amount, amount) for name, amount in lines.items()]
        account.post_charges(period, on, due, made)
    return account


def test_a_refund_takes_the_advance_then_the_penalty_then_the_newest_bill() -> None:
    account = an_account_under_the_law()
    paid = UUID(int=1)
    owed = account.penalty_due(date(2026, 6, 20))
    account.post_payment(paid, date(2026, 6, 20), 7_500_00 + 100_00, owed)
    assert sums(account) == (0, 0, 100_00)
    on = date(2026, 7, 1)
    account.refund_payment(paid, UUID(int=2), 60_00, on)
    assert (last(account).advance_taken, sums(account)) == (60_00, (0, 0, 40_00))
    account.refund_payment(paid, UUID(int=3), 40_00 + owed, on)
    taken = last(account)
    assert (taken.advance_taken, taken.penalty_restored, taken.restored) == (40_00, owed, ())
    account.refund_payment(paid, UUID(int=4), 1_000_01, on)
    # Of April 2 : 1, and the kopeck that is left to the larger remainder.
    assert last(account).restored == (
        AllocatedPart(APRIL, "heating", 666_67),
        AllocatedPart(APRIL, "water", 333_34),
    )
    account.refund_payment(paid, UUID(int=5), 2_000_00, on)
    assert account.open_items == {
        APRIL: {"heating": 2_000_00, "water": 1_000_00},
        MARCH: {"heating": 1},
    }


def test_a_refund_says_what_it_undid() -> None:
    account = an_account()
    bill(account, heating=100)
    account.accrue_penalty(20, DAY, "rule-1")
    name = pay(account, 130, 15)
    back = refund(account, name, 40)
    assert last(account) == PaymentRefunded(
        account=NUMBER,
        payment_id=name,
        refund_id=back,
        corrects=4,
        effective_on=LATER,
        amount=40,
        restored=(),
        penalty_restored=15,  # of the 20
        advance_taken=25,
        moved=(),
    )
    assert sums(account) == (0, 15, 0)
    assert account.left_of(name) == 105


def test_the_same_refund_again_has_no_effect() -> None:
    account = an_account()
    name = pay(account, 100)
    back = refund(account, name, 30)
    length = len(account.pending)
    assert account.refund_payment(name, back, 30, LATER) is False
    assert len(account.pending) == length


def test_more_than_is_left_is_refused() -> None:
    account = an_account()
    name = pay(account, 100)
    refund(account, name, 30)
    with pytest.raises(Conflict) as refused:
        account.refund_payment(name, new_id(), 71, LATER)
    assert (refused.value.code, refused.value.params["left"]) == ("refund_too_large", 70)
    refund(account, name, 70)
    with pytest.raises(Conflict):
        account.refund_payment(name, new_id(), 1, LATER)
    with pytest.raises(ValidationFailed):
        account.refund_payment(name, new_id(), 0, LATER)


def test_a_refund_of_an_unknown_payment_is_refused() -> None:
    with pytest.raises(NotFound) as refused:
        an_account().refund_payment(new_id(), new_id(), 1, DAY)
    assert refused.value.code == "payment_not_posted"


def test_a_refund_takes_effect_no_earlier_than_the_payment() -> None:
    account = an_account()
    refund(account, pay(account, 10), 5, EARLIER)
    assert last(account).effective_on == DAY


def test_after_a_reversal_nothing_is_left_to_refund() -> None:
    account = an_account()
    name = pay(account, 100)
    account.reverse_payment(name, LATER, "a clerk's mistake")
    length = len(account.pending)
    assert account.refund_payment(name, new_id(), 100, LATER) is False
    assert len(account.pending) == length


def test_a_reversal_after_a_refund_undoes_what_is_left() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100, 15)
    refund(account, name, 40)
    account.reverse_payment(name, LATER, "charged back")
    assert (last(account).amount, last(account).penalty) == (60, 15)
    assert (sums(account), account.left_of(name)) == ((100, 0, 0), 0)


def test_an_earlier_reversal_leaves_the_refund_its_part() -> None:
    """The clerk dates the reversal before the refund, which has happened already."""
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    refund(account, name, 40, LATEST)
    account.reverse_payment(name, DAY, "charged back")
    assert (last(account).amount, sums(account)) == (60, (100, 0, 0))
    [october] = debts(account.pending)
    assert october.parts == (Part(100),)


def test_what_its_advance_has_paid_since_is_owed_again_first() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 150)
    bill(account, NOVEMBER, LATER, heating=80)
    refund(account, name, 60, LATEST)
    assert last(account).reopened == (AllocatedPart(NOVEMBER, "heating", 50),)
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 10),)
    assert account.open_items == {OCTOBER: {"heating": 10}, NOVEMBER: {"heating": 80}}


def test_what_a_lowered_bill_gave_back_goes_back_first() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    adjust(account, on=LATER, heating=-60)
    refund(account, name, 70, LATEST)
    assert (last(account).advance_taken, sums(account)) == (60, (10, 0, 0))


def test_of_a_service_that_was_raised_the_addition_goes_first() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, on=LATER, heating=20)
    name = pay(account, 120, on=LATER)
    refund(account, name, 30, LATEST)
    billed, added = debts(account.pending)
    assert (billed.parts, added.parts) == ((Part(90, LATER), Part(10)), (Part(20),))


def test_what_was_taken_over_goes_last() -> None:
    account = an_account(ServiceAmount("heating", 100))
    bill(account, heating=50, water=50)
    name = pay(account, 200)
    refund(account, name, 101)
    assert account.open_items == {
        OPENING_PERIOD: {"heating": 1},
        OCTOBER: {"heating": 50, "water": 50},
    }


def test_another_advance_pays_what_is_owed_again() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 100)
    pay(account, 30)
    refund(account, name, 50)
    assert last(account).restored == (AllocatedPart(OCTOBER, "heating", 50),)
    assert last(account).moved == (AllocatedPart(OCTOBER, "heating", 30),)
    assert sums(account) == (20, 0, 0)


def test_a_refund_bears_a_penalty_as_if_never_paid() -> None:
    account, unpaid = an_account_under_the_law(), an_account_under_the_law()
    for one in (account, unpaid):
        one.today = date(2026, 8, 10)
    paid = UUID(int=1)
    account.post_payment(paid, date(2026, 4, 10), 4_500_00, 0)
    assert account.penalty_due(date(2026, 8, 10)) < unpaid.penalty_due(date(2026, 8, 10))
    account.refund_payment(paid, UUID(int=2), 4_500_00, date(2026, 8, 10))
    assert account.penalty_due(date(2026, 8, 10)) == unpaid.penalty_due(date(2026, 8, 10))


def test_what_was_accrued_is_corrected_in_the_same_posting() -> None:
    account = an_account_under_the_law()
    paid = UUID(int=1)
    account.post_payment(paid, date(2026, 4, 10), 4_500_00, 0)
    account.add_accrual(date(2026, 7, 31))
    accrued = account.penalty
    account.refund_payment(paid, UUID(int=2), 1_000_00, date(2026, 7, 1))
    assert account.penalty > accrued
    assert account.penalty == account.settlement().penalty_by(date(2026, 7, 31))


def test_a_refund_is_booked_against_clearing() -> None:
    account = an_account()
    bill(account, heating=100)
    name = pay(account, 150)
    bill(account, NOVEMBER, LATER, water=20)
    refund(account, name, 90, LATEST)
    names: dict[str, int] = {}
    for book, amount in postings(last(account)):
        names[book] = names.get(book, 0) + amount
    assert names == {
        "clearing": -90,
        "receivable:heating": 40,
        "receivable:penalty": 0,
        "advances": 30,
        "receivable:water": 20,
    }


def test_a_refund_is_the_same_whatever_was_recorded_first() -> None:
    """The bill that the advance had paid becomes known only after the refund."""
    orders = []
    for late in (True, False):
        account = an_account()
        bill(account, heating=100)
        payment = UUID(int=77)
        account.post_payment(payment, DAY, 150, 0)
        if not late:
            bill(account, NOVEMBER, LATER, heating=80)
        account.refund_payment(payment, UUID(int=78), 70, LATEST)
        if late:
            bill(account, NOVEMBER, LATER, heating=80)
        orders.append((account.open_items, account.advance))
    assert orders[0] == orders[1]


AMOUNTS = st.integers(1, 400)
BILLS = st.lists(
    st.dictionaries(st.sampled_from(("heating", "lift", "water")), AMOUNTS, min_size=1),
    min_size=1,
    max_size=4,
)


def paid_for(bills: list[dict[str, int]], payments: list[int], at: int) -> tuple[Account, UUID]:
    """Return an account of monthly bills under the law, with payments, and one of these."""
    account = Account(account_id(NUMBER))
    account.law = LAW
    account.open(NUMBER, "organisation", date(2026, 1, 1))
    names = []
    for month, lines in enumerate(bills, 1):
        on = date(2026, month, 28)
        made = [ChargeLine(name, name, amount, amount) for name, amount in lines.items()]
        account.post_charges(f"2026-{month:02}", on, on + timedelta(10), made)
    for place, amount in enumerate(payments):
        names.append(UUID(int=place + 1))
        account.post_payment(names[-1], date(2026, 2, 20) + timedelta(17 * place), amount, None)
    return account, names[at % len(names)]


@given(bills=BILLS, payments=st.lists(AMOUNTS, min_size=1, max_size=4), at=st.integers(0, 3))
def test_a_refund_of_all_is_a_reversal(
    bills: list[dict[str, int]], payments: list[int], at: int
) -> None:
    on = date(2026, 7, 1)
    (reversed_, name), (refunded, _) = paid_for(bills, payments, at), paid_for(bills, payments, at)
    reversed_.reverse_payment(name, on, "a mistake")
    refunded.refund_payment(name, UUID(int=99), refunded.left_of(name), on)
    assert figures(refunded) == figures(reversed_)
    names = ("restored", "penalty_restored", "advance_taken", "reopened", "moved", "moved_penalty")
    assert [getattr(taken_back(refunded), one) for one in names] == [
        getattr(taken_back(reversed_), one) for one in names
    ]


@given(
    bills=BILLS,
    payments=st.lists(AMOUNTS, min_size=1, max_size=4),
    at=st.integers(0, 3),
    cuts=st.sets(st.integers(1, 400), max_size=4),
)
def test_refunds_in_parts_that_add_up_are_a_reversal(
    bills: list[dict[str, int]], payments: list[int], at: int, cuts: set[int]
) -> None:
    on = date(2026, 7, 1)
    (reversed_, name), (refunded, _) = paid_for(bills, payments, at), paid_for(bills, payments, at)
    # Where another payment lies as an advance, it pays what each part opens.
    assume(refunded.settlement().advance <= refunded.settlement().ahead(name))
    whole = refunded.left_of(name)
    bounds = [0, *sorted(cut for cut in cuts if cut < whole), whole]
    for place, (start, end) in enumerate(pairwise(bounds)):
        refunded.refund_payment(name, UUID(int=100 + place), end - start, on)
    reversed_.reverse_payment(name, on, "a mistake")
    assert figures(refunded) == figures(reversed_)


def figures(account: Account) -> object:
    days = (date(2026, 6, 30), date(2026, 7, 1), date(2026, 12, 31))
    return (
        account.open_items,
        account.advance,
        [account.settlement().penalty_owed(day) for day in days],
    )


def taken_back(account: Account) -> object:
    return next(event for event in reversed(account.pending) if hasattr(event, "restored"))
