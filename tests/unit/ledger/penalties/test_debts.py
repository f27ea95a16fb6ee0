"""The debts that bear a penalty, after recalculations of what is open and of what was paid."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.payment_matching import Part
from tests.unit.ledger.settled_debts import debts

MARCH = "2026-03"
BILLED, EARLY, DUE = date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 15)
END_OF_MAY = date(2026, 5, 31)
MAY, JUNE, JULY = date(2026, 5, 20), date(2026, 6, 20), date(2026, 7, 20)


@pytest.fixture
def account() -> Account:
    """A bill of March: heating 4 500.00, water 1 000.00."""
    made = Account(account_id("0100000001"))
    made.open("0100000001", "household", date(2026, 1, 1))
    lines = [
        ChargeLine("heating", "x", 450_000, 450_000),
        ChargeLine("water", "x", 100_000, 100_000),
    ]
    made.post_charges(MARCH, BILLED, DUE, lines)
    return made


def adjust(account: Account, on: date, **sums: int) -> None:
    lines = [ServiceAmount(service, amount) for service, amount in sums.items()]
    account.adjust_charges(UUID(int=account.version), MARCH, on, lines, "a count")


def pay(account: Account, on: date, amount: int) -> UUID:
    name = UUID(int=account.version)
    account.post_payment(name, on, amount, 0)
    return name


def due_and_parts(account: Account) -> list[tuple[date, tuple[Part, ...]]]:
    """Each debt: the last day that is no delay, and its parts."""
    return [(debt.due.late_after, debt.parts) for debt in debts(account.pending)]


def test_a_paid_part_given_back_never_was_a_debt(account: Account) -> None:
    pay(account, JUNE, 220_000)  # heating 1 800.00, water 400.00
    adjust(account, JULY, heating=-300_000)  # 2 700.00 of it were open
    # The 300.00 that were paid already pay half of what is left of water, on that day.
    assert account.advance == 0
    assert due_and_parts(account) == [
        (DUE, (Part(150_000 + 40_000, JUNE), Part(30_000, JULY), Part(30_000)))
    ]


def test_a_paid_debt_is_lowered_by_the_deduction(account: Account) -> None:
    pay(account, JUNE, 550_000)
    adjust(account, JULY, water=-10_000)
    assert due_and_parts(account) == [(DUE, (Part(540_000, JUNE),))]


def test_the_last_payment_is_given_back_first(account: Account) -> None:
    pay(account, MAY, 275_000)
    pay(account, JUNE, 275_000)
    adjust(account, JULY, heating=-300_000)  # half of it was paid in May, half in June
    assert due_and_parts(account) == [(DUE, (Part(275_000 - 75_000, MAY), Part(50_000, JUNE)))]


def test_an_addition_leaves_paid_parts_unchanged(account: Account) -> None:
    pay(account, JUNE, 550_000)
    adjust(account, JULY, heating=70_000, water=-1)
    assert due_and_parts(account) == [
        (DUE, (Part(549_999, JUNE),)),
        (JULY, (Part(1, JULY), Part(69_999))),
    ]


def test_an_addition_before_the_due_date_is_due_with_its_bill(account: Account) -> None:
    adjust(account, EARLY, heating=70_000)
    adjust(account, MAY, heating=30_000)
    assert [(debt.due.due_on, debt.due.late_after) for debt in debts(account.pending)] == [
        (DUE, DUE),
        (DUE, DUE),
        (DUE, MAY),
    ]


def test_a_deduction_lowers_the_last_addition_first(account: Account) -> None:
    adjust(account, MAY, heating=70_000)
    adjust(account, JUNE, heating=30_000)
    adjust(account, JULY, heating=-200_000)
    assert due_and_parts(account) == [(DUE, (Part(350_000 + 100_000),))]


def test_a_reversal_after_a_recalculation_leaves_what_is_billed_unpaid(account: Account) -> None:
    name = pay(account, JUNE, 220_000)
    adjust(account, JULY, heating=-300_000)
    account.reverse_payment(name, JULY, "refused by the bank")
    assert due_and_parts(account) == [(DUE, (Part(250_000),))]


@pytest.mark.parametrize("first", [True, False])
def test_a_reversal_leaves_what_other_payments_have_paid(account: Account, first: bool) -> None:
    names = [pay(account, MAY, 275_000), pay(account, JUNE, 275_000)]
    account.reverse_payment(names[0 if first else 1], JULY, "refused by the bank")
    assert due_and_parts(account) == [(DUE, (Part(275_000, JUNE if first else MAY), Part(275_000)))]


def test_reversal_reopens_the_part_paid_by_an_advance_alone(
    account: Account,
) -> None:
    pay(account, MAY, 50_000)
    ahead = pay(account, MAY, 600_000)  # 5 000.00 of March, the rest in advance
    line = ChargeLine("water", "x", 90_000, 90_000)
    account.post_charges("2026-05", END_OF_MAY, JUNE, [line])
    pay(account, JULY, 1)
    account.reverse_payment(ahead, JULY, "refused by the bank")
    assert [debt.parts for debt in debts(account.pending)] == [
        (Part(50_000, MAY), Part(500_000)),
        (Part(1, END_OF_MAY), Part(89_999)),
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_an_opening_balance_is_owed_by_service_from_its_day(at_once: bool) -> None:
    """Capital repair is a debt apart; and an advance pays what it can of it on that day."""
    items = [ServiceAmount(s, sum_) for s, sum_ in (("capital_repair", 500), ("heating", 300))]
    account = Account(account_id("0100000002"))
    account.open("0100000002", "household", EARLY, items if at_once else [])
    pay(account, EARLY, 80)
    if not at_once:
        account.post_opening(EARLY, items)
    assert [(debt.payer.value, debt.due.due_on, debt.parts) for debt in debts(account.pending)] == [
        ("capital_repair", EARLY, (Part(50, EARLY), Part(450))),
        ("household", EARLY, (Part(30, EARLY), Part(270))),
    ]


def test_reversal_reopens_advance_payments_part_by_part() -> None:
    account = Account(account_id("0100000003"))
    account.open("0100000003", "household", date(2026, 1, 1))
    first = pay(account, EARLY, 30)
    account.post_charges(MARCH, MAY, JUNE, [ChargeLine("heating", "x", 100, 100)])
    account.post_payment(UUID(int=999), MAY, 0, 118)  # no penalty is owed: it pays the other 70
    adjust(account, JUNE, heating=20)
    adjust(account, JULY, heating=15)
    assert (account.principal, account.advance) == (0, 13)
    # 13 are in advance still; the rest of the 30 has gone on, the last 15 in July.
    account.reverse_payment(first, JULY, "refused by the bank")
    assert [debt.parts for debt in debts(account.pending)] == [
        (Part(100, MAY),),
        (Part(18, JUNE), Part(2)),
        (Part(15),),
    ]
