"""Settlement by the order of effect: worked figures, whatever was recorded first.

Debts of households by the rate of 9.5 %: 30 days of delay bear nothing, 60 days 1/300 a day, the
days after them 1/130.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from services.ledger.domain import EVENTS, Account, account_id
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.events import (
    AdvanceSettled,
    ChargeLine,
    ChargesAdjusted,
    PaymentPosted,
    PenaltyAccrued,
    PenaltyCorrected,
    ServiceAmount,
)
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules

LAW = PenaltyLaw(load_rules(environ={}))
NUMBER = "0100000001"
MARCH, APRIL = "2026-03", "2026-04"
OF_AN_EARLIER_VERSION = (
    b'{"account":"0100000001","payment_id":"7f1c5c58-3d7e-4f2a-9b61-0d8f0e6f5a21",'
    b'"effective_on":"2026-04-10","amount":0,"penalty":50000,"allocation":[],'
    b'"penalty_allocated":0,"advance":50000}'
)
"""A payment whose advance stands beside an open debt."""


def day(text: str) -> date:
    return date.fromisoformat(text if text.startswith("20") else f"2026-{text}")


def opened(payer_kind: str = "household", on: str = "2019-01-01") -> Account:
    account = Account(account_id(NUMBER))
    account.law = LAW
    account.open(NUMBER, payer_kind, day(on))
    return account


def bill(account: Account, period: str, on: str, due_on: str, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, day(on), day(due_on), lines)


def bill_march(account: Account, amount: int = 4_500_00) -> None:
    """Day 31 of delay is 16 May."""
    bill(account, MARCH, "03-31", "04-15", heating=amount)


def bill_april(account: Account, amount: int = 1_000_00) -> None:
    """Day 31 of delay is 15 June."""
    bill(account, APRIL, "04-30", "05-15", heating=amount)


def pay(account: Account, on: str, amount: int, penalty: int = 0, number: int = 1) -> UUID:
    assert account.post_payment(UUID(int=number), day(on), amount, penalty)
    return UUID(int=number)


def adjust(account: Account, on: str, amount: int, due_on: str | None = None) -> None:
    lines = [ServiceAmount("heating", amount)]
    until = day(due_on) if due_on else None
    assert account.adjust_charges(UUID(int=9), MARCH, day(on), lines, "a meter", due_on=until)


def sums(account: Account) -> tuple[int, int, int]:
    return account.principal, account.penalty, account.advance


def recorded(account: Account) -> list[str]:
    return [type(event).__name__ for event in account.pending]


# An advance never stands beside an open debt.


def test_a_payment_named_as_penalty_that_is_not_owed_pays_principal() -> None:
    account = opened()
    bill_march(account, 4_296_04)
    pay(account, "04-10", 0, penalty=500_00)
    assert sums(account) == (3_796_04, 0, 0)


def test_an_advance_that_an_earlier_version_left_beside_a_debt_pays_it() -> None:
    account = opened()
    bill_march(account, 4_296_04)
    account.replay(EVENTS.decode("ledger.payment_posted.v1", OF_AN_EARLIER_VERSION))
    assert sums(account) == (4_296_04, 0, 500_00)
    assert accrue(account, day("05-15"), LAW) == 0
    assert account.pending[-1] == AdvanceSettled(
        account=NUMBER,
        effective_on=day("05-15"),
        moved=(AllocatedPart(MARCH, "heating", 500_00),),
    )
    assert sums(account) == (3_796_04, 0, 0)
    # On its day the payment paid principal, so that 3 796.04 bear the penalty of 16 May.
    assert accrue(account, day("05-16"), LAW) == 1_20


def test_the_next_posting_after_an_earlier_version_settles_its_advance() -> None:
    account = opened()
    bill_march(account, 4_296_04)
    account.replay(EVENTS.decode("ledger.payment_posted.v1", OF_AN_EARLIER_VERSION))
    bill_april(account)
    assert account.open_items == {MARCH: {"heating": 3_796_04}, APRIL: {"heating": 1_000_00}}
    assert account.advance == 0


def test_a_bill_that_only_gives_back_leaves_no_empty_month() -> None:
    account = opened()
    bill_march(account, 100_00)
    bill(account, APRIL, "04-30", "05-15", heating=-30_00)
    assert account.open_items == {MARCH: {"heating": 70_00}}


# The days of effect alone decide.


def bill_of_january(account: Account) -> None:
    bill(account, "2024-01", "2024-01-31", "2024-02-10", heating=1_000_00)


def bill_of_may(account: Account) -> None:
    bill(account, "2024-05", "2024-05-31", "2024-06-10", heating=1_000_00)


def paid_in_may(account: Account) -> None:
    pay(account, "2024-05-20", 1_000_00, number=1)


def paid_in_august(account: Account) -> None:
    pay(account, "2024-08-10", 1_000_00, number=2)


def accrued_in_july(account: Account) -> None:
    accrue(account, day("2024-07-15"), LAW)


@pytest.mark.parametrize(
    "steps",
    [
        (bill_of_january, paid_in_may, bill_of_may, paid_in_august),
        (bill_of_january, bill_of_may, paid_in_august, paid_in_may),
        (bill_of_january, bill_of_may, accrued_in_july, paid_in_august, paid_in_may),
        (bill_of_january, bill_of_may, paid_in_august, accrued_in_july, paid_in_may),
        (paid_in_may, paid_in_august, bill_of_january, bill_of_may),
        (paid_in_august, bill_of_may, paid_in_may, accrued_in_july, bill_of_january),
    ],
)
def test_a_penalty_depends_on_the_days_of_effect_alone(
    steps: tuple[Callable[[Account], None], ...],
) -> None:
    account = opened()
    for step in steps:
        step(account)
    accrue(account, day("2024-09-01"), LAW)
    # January: 60 days at 1/300 (19.00) and 10 at 1/130 (7.31); May: 31 days at 1/300 (9.82).
    assert account.penalty == 36_13
    assert (account.principal, account.advance) == (0, 0)


def test_the_state_is_the_same_in_every_order_of_recording() -> None:
    steps: list[Callable[[Account], Any]] = [
        bill_march,
        bill_april,
        lambda account: pay(account, "05-25", 3_000_00, 10_00, number=1),
        lambda account: pay(account, "06-20", 3_000_00, 10_00, number=2),
        lambda account: adjust(account, "06-10", -2_000_00),
    ]
    found = set()
    for order in permutations(steps):
        if order.index(bill_march) > order.index(steps[-1]):
            continue  # there is no bill yet that could be adjusted
        account = opened()
        for step in order:
            step(account)
        accrue(account, day("08-10"), LAW)
        debts = [
            (debt.period, debt.unpaid, tuple(debt.paid_by_day().items()))
            for debt in account.settlement().debts
        ]
        found.add((str(account.open_items), sums(account), account.penalty_accrued, tuple(debts)))
    # March was 2 500.00 from its beginning, all of it paid on 25 May: 10 days, 7.92. Of the other
    # 510.00 of that day 7.92 pay the penalty, and 502.08 April, where the 497.92 left are paid on
    # 20 June: 6 days, 0.95.
    (state,) = found
    assert state[1:3] == ((0, 0, 2_511_13), 8_87)


# Penalty in a payment.


def test_a_named_penalty_that_is_not_accrued_yet_is_accrued_with_its_payment() -> None:
    account = opened()
    bill_march(account, 4_336_84)
    pay(account, "05-21", 4_336_84, penalty=8_24)  # 6 days at 1/300
    accrual, payment = account.pending[-2:]
    assert isinstance(accrual, PenaltyAccrued)
    assert (accrual.amount, accrual.effective_on, accrual.through) == (
        8_24,
        day("05-21"),
        day("05-21"),
    )
    assert [(s.days, s.base, s.amount) for s in accrual.segments] == [(6, 4_336_84, 8_24)]
    assert isinstance(payment, PaymentPosted)
    assert (payment.penalty_allocated, payment.advance) == (8_24, 0)
    assert (payment.moved, payment.moved_penalty) == ((), 0)
    assert sums(account) == (0, 0, 0)
    assert accrue(account, day("08-10"), LAW) == 0


def test_money_left_after_principal_pays_the_penalty_of_its_day() -> None:
    account = opened()
    bill_march(account, 4_336_84)
    pay(account, "05-21", 4_340_00)
    assert account.pending[-1].penalty_allocated == 3_16  # type: ignore[attr-defined]
    assert sums(account) == (0, 5_08, 0)


def test_a_penalty_that_was_paid_too_much_is_an_advance() -> None:
    account = opened()
    bill_march(account)
    pay(account, "06-20", 4_500_00, penalty=51_30, number=2)
    assert sums(account) == (0, 0, 0)
    pay(account, "05-20", 2_000_00, number=1)
    # 5 days of 4 500.00 (7.13) and 31 of 2 500.00 (24.54) were owed; 19.63 of it were too much.
    assert account.penalty_accrued == 31_67
    assert sums(account) == (0, 0, 2_019_63)
    correction = account.pending[-1]
    assert isinstance(correction, PenaltyCorrected)
    assert (correction.amount, correction.through) == (-19_63, day("06-20"))


def test_a_penalty_paid_too_much_pays_the_debt_that_is_open() -> None:
    account = opened()
    bill_march(account)
    bill_april(account)
    pay(account, "06-14", 4_500_00, penalty=42_75, number=2)  # 30 days at 1/300; nothing of April
    assert sums(account) == (1_000_00, 0, 0)
    pay(account, "05-15", 500_00, number=1)
    # March bore 38.00 from 16 May; of the 4.75 and 500.00 that are left the bill of April is paid.
    assert (account.penalty_accrued, sums(account)) == (38_00, (495_25, 0, 0))


def test_a_penalty_is_paid_on_a_later_day_than_it_is_accrued_after_a_correction() -> None:
    account = opened()
    bill_march(account)
    accrue(account, day("06-04"), LAW)
    assert account.penalty == 28_50  # 20 days
    pay(account, "06-06", 0, penalty=28_50, number=2)
    pay(account, "05-10", 1_500_00, number=1)
    # Of 3 000.00 the 22 days through 6 June bear 20.90, which were paid; the rest pays principal.
    assert (account.penalty_accrued, account.accrued_through) == (20_90, day("06-06"))
    assert sums(account) == (3_000_00 - 7_60, 0, 0)


# Recalculations.


def test_an_addition_falls_due_with_the_bill_of_the_month_in_which_it_is_posted() -> None:
    account = opened()
    bill_march(account, 1_000_00)
    pay(account, "04-10", 1_000_00)
    adjust(account, "06-20", 500_00, due_on="07-15")
    assert account.penalty_due(day("08-14")) == 0
    assert account.penalty_due(day("08-15")) == 16  # day 31 of 500.00
    event = account.pending[-1]
    assert isinstance(event, ChargesAdjusted)
    assert event.due_on == day("07-15")


def test_an_addition_of_an_earlier_version_is_late_from_the_day_after_it_took_effect() -> None:
    account = opened()
    bill_march(account, 1_000_00)
    pay(account, "04-10", 1_000_00)
    adjust(account, "06-20", 500_00)
    assert account.penalty_due(day("07-20")) == 0
    assert account.penalty_due(day("07-21")) == 16


def test_a_deduction_after_the_last_accrual_takes_back_the_penalty_on_it() -> None:
    account = opened()
    bill_march(account)
    pay(account, "06-20", 4_500_00, penalty=51_30)
    adjust(account, "08-01", -500_00)
    # Of 4 000.00 the 36 days bear 45.60.
    assert recorded(account)[-2:] == ["ChargesAdjusted", "PenaltyCorrected"]
    assert sums(account) == (0, 0, 505_70)
    assert accrue(account, day("08-10"), LAW) == 0


def test_an_opening_balance_known_late_corrects_what_was_accrued_before_its_day() -> None:
    account = opened(on="04-01")
    bill_march(account, 1_000_00)
    pay(account, "06-20", 1_000_00, penalty=11_40)  # 36 days
    account.post_opening(day("07-01"), [ServiceAmount("water", -2_000_00)])
    # It was there before the bill, which so was paid on its day.
    assert (account.penalty_accrued, sums(account)) == (0, (0, 0, 2_011_40))


# Waivers.


def test_a_waiver_after_the_last_accrued_day_stands() -> None:
    account = opened()
    bill_march(account)
    pay(account, "06-20", 4_500_00)
    accrue(account, day("06-20"), LAW)
    account.write_off_penalty(20_00, day("06-25"), "a court decision")
    known = len(account.pending)
    assert accrue(account, day("08-10"), LAW) == 0
    assert account.pending[known:] == []
    assert (sums(account), account.penalty_waived) == ((0, 31_30, 0), 20_00)


def test_a_waiver_is_at_most_the_penalty_gives_back_what_was_paid_and_holds_again() -> None:
    account = opened()
    bill_march(account)
    pay(account, "06-20", 4_500_00, penalty=11_30, number=2)
    account.write_off_penalty(40_00, day("06-25"), "a court decision")
    assert sums(account) == (0, 0, 0)
    late = pay(account, "05-20", 2_000_00, number=1)
    # 31.67 are due (as above), paid on 20 June out of what was left; all of that is waived since,
    # and so given back.
    assert (account.penalty_accrued, account.penalty_waived) == (31_67, 31_67)
    assert sums(account) == (0, 0, 2_011_30)
    account.reverse_payment(late, day("05-20"), "a mistake")
    assert (account.penalty_accrued, account.penalty_waived) == (51_30, 40_00)
    assert sums(account) == (0, 0, 0)


# Reversals, payers, rates.


def test_debts_of_a_reversed_payment_bear_a_penalty_as_if_it_had_never_been() -> None:
    account = opened()
    bill_march(account, 1_000_00)
    name = pay(account, "04-10", 1_500_00)
    bill_april(account, 500_00)
    assert sums(account) == (0, 0, 0)
    account.reverse_payment(name, day("06-20"), "charged back")
    assert account.open_items == {MARCH: {"heating": 1_000_00}, APRIL: {"heating": 500_00}}
    # 36 days of 1 000.00 (11.40), and 6 days of 500.00 (0.95), which the advance had paid.
    assert accrue(account, day("06-20"), LAW) == 12_35


@pytest.mark.parametrize("known_late", [False, True])
def test_debts_from_a_change_of_the_payer_on_bear_the_penalty_of_the_new_kind(
    known_late: bool,
) -> None:
    account = opened()
    bill_march(account, 1_000_00)
    if known_late:
        bill_april(account)
        accrue(account, day("06-20"), LAW)
        assert account.penalty == 11_40 + 1_90
    assert account.change_payer_kind("organisation", day("04-20"))
    if not known_late:
        bill_april(account)
        accrue(account, day("06-20"), LAW)
    # March: 36 days at 1/300. April, of an organisation: 36 days at 1/130 from the first.
    assert account.penalty == 11_40 + 26_31
    assert account.change_payer_kind("organisation", day("05-01")) is False


def test_a_rate_that_falls_gives_back_what_was_paid_at_the_higher_one() -> None:
    account = opened()
    bill(account, "2019-03", "2019-03-31", "2019-04-10", heating=100_000_00)
    # Through 28 July 2019, at 7.5 %: 60 days at 1/300 and 19 at 1/130.
    pay(account, "2019-07-28", 0, penalty=1_500_00 + 1_096_15)
    assert sums(account) == (100_000_00, 0, 0)
    # From the 29th at 7.25 %: 1 450.00 and, of 20 days, 1 115.38; so 30.77 pay principal that day.
    settled = account.settlement(day("2019-07-29"))
    assert settled.penalty_paid == 1_450_00 + 1_115_38
    assert settled.open == {"2019-03": {"heating": 100_000_00 - 30_77}}
    accrue(account, day("2019-07-29"), LAW)
    assert sums(account) == (100_000_00 - 30_77, 0, 0)
