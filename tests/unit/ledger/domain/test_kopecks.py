"""A kopeck is a kopeck: the least sums there are, and the figures that hide behind others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from ledger_steps import (
    DAY,
    LATER,
    NOVEMBER,
    OCTOBER,
    adjust,
    an_account,
    bill,
    correct,
    last,
    opened_with,
    pay,
    sums,
)

from services.ledger.domain import OPENING_PERIOD, Account, account_id
from services.ledger.domain.allocation import AllocatedPart, Policy
from services.ledger.domain.double_entry import postings
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.domain.events import ChargeLine, PenaltySegment, ServiceAmount
from services.ledger.reports.turnover import Turnover
from tests.unit.ledger.penalty_corrections import correct_penalty

LIFT_FIRST = Policy(name="lift-first", services="ranked", ranking=("lift",))


def test_a_kopeck_is_billed_paid_ahead_and_given_back() -> None:
    account = opened_with(heating=1, lift=-1)
    assert last(account).moved == (AllocatedPart(OPENING_PERIOD, "heating", 1),)
    assert (account.open_items, sums(account)) == ({}, (0, 0, 0))
    bill(account, heating=1, water=-1, waste=0)
    assert last(account).allocation == (AllocatedPart(OCTOBER, "heating", 1),)
    assert (account.open_items, sums(account)) == ({}, (0, 0, 0))
    adjust(account, heating=-1, lift=1)
    assert (last(account).advance, last(account).allocation) == (
        1,
        (AllocatedPart(OCTOBER, "lift", 1),),
    )
    assert sums(account) == (0, 0, 0)
    pay(account, 1)
    assert sums(account) == (0, 0, 1)


def test_a_kopeck_taken_off_what_is_open_is_released() -> None:
    account = an_account()
    bill(account, heating=2)
    adjust(account, heating=-1)
    assert (last(account).released, last(account).advance) == (
        (AllocatedPart(OCTOBER, "heating", 1),),
        0,
    )
    assert sums(account) == (1, 0, 0)


def test_a_kopeck_taken_over_later_is_paid_by_a_kopeck_in_advance() -> None:
    account = an_account()
    pay(account, 1)
    account.post_opening(DAY, [ServiceAmount("heating", 1), ServiceAmount("lift", -1)])
    assert last(account).allocation == (AllocatedPart(OPENING_PERIOD, "heating", 1),)
    assert sums(account) == (0, 0, 1)


def test_a_balance_taken_over_is_paid_by_the_earlier_payment_and_its_policy() -> None:
    account = an_account()
    pay(account, 5, policy=LIFT_FIRST)
    account.post_opening(DAY, [ServiceAmount("heating", 5), ServiceAmount("lift", 4)])
    # It comes before the payment, whose money was an advance until it was known.
    assert last(account).allocation == ()
    assert last(account).moved == (
        AllocatedPart(OPENING_PERIOD, "heating", 1),
        AllocatedPart(OPENING_PERIOD, "lift", 4),
    )


def test_the_postings_of_a_kopeck_are_on_their_sides() -> None:
    account = opened_with(heating=1, lift=-1)
    assert postings(last(account)) == [
        ("receivable:heating", 1),
        ("opening", -1),
        ("advances", -1),
        ("opening", 1),
        ("advances", 1),
        ("receivable:heating", -1),
        ("advances", 0),
        ("receivable:penalty", 0),
    ]
    bill(account, heating=1, water=-1)
    assert postings(last(account))[:4] == [
        ("receivable:heating", 1),
        ("revenue:heating", -1),
        ("advances", -1),
        ("revenue:water", 1),
    ]
    adjust(account, heating=1)
    assert ("receivable:heating", 1) in postings(last(account))


def test_turnover_of_a_kopeck() -> None:
    account = opened_with(heating=1, lift=-1)
    bill(account, heating=1, water=-1)
    turnover = Turnover(DAY, LATER)
    turnover.add(in_effective_order(account.id, account.pending))
    closing = {name: row.closing for name, row in turnover.rows.items()}
    # One kopeck of heating was taken over, and paid by that of the lift; one is charged, and paid
    # by that of water.
    assert closing == {"heating": 0, "advance": 0, "water": 0}
    assert turnover.rows["water"].paid == -1
    heating, advance = turnover.rows["heating"], turnover.rows["advance"]
    assert (heating.opening, heating.charged, heating.paid) == (0, 1, 1)
    assert (advance.opening, advance.paid) == (0, 0)


def test_turnover_has_no_empty_rows() -> None:
    account = an_account()
    bill(account, heating=1, water=0)
    adjust(account, heating=1)
    turnover = Turnover(DAY, LATER)
    turnover.add(in_effective_order(account.id, account.pending))
    assert set(turnover.rows) == {"heating", "water"}


def test_a_waiver_taken_back_is_in_the_turnover() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    account.write_off_penalty(60, DAY, "x")
    correct(account, -70)
    turnover = Turnover(DAY, LATER)
    turnover.add(in_effective_order(account.id, account.pending))
    assert turnover.rows["penalty"].as_dict() == {
        "opening": 0,
        "charged": 0,
        "recalculated": 0,
        "concession": 0,
        "penalty": 0 + 100 - 60 - 70 + 30,
        "paid": 0,
        "closing": 0,
    }


def test_waivers_add_up_and_are_taken_back_one_after_the_other() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    account.write_off_penalty(60, DAY, "x")
    account.write_off_penalty(30, DAY, "x")
    assert (account.penalty_waived, sums(account)) == (90, (0, 10, 0))
    correct(account, -25)
    assert (last(account).waived, account.penalty_waived) == (15, 75)
    correct(account, -70)
    assert (last(account).waived, account.penalty_waived) == (70, 5)
    assert sums(account) == (0, 0, 0)


def test_a_recalculation_may_bill_what_the_bill_did_not_have() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, water=7)
    assert account.billed(OCTOBER) == {"heating": 100, "water": 7}


def test_a_correction_keeps_its_segments() -> None:
    account = an_account()
    segment = PenaltySegment("2026-03", DAY, LATER, 6, 4_500_00, "9.5", 300, 8_55)
    account.accrue_penalty(100, DAY, "rule-1")
    correct_penalty(
        account, 5, DAY, "rule-2", "why", through=LATER, provisional=True, segments=[segment]
    )
    event = last(account)
    assert (event.rule, event.reason, event.through) == ("rule-2", "why", LATER)
    assert (event.provisional, event.segments) == (True, (segment,))


def test_a_payment_without_a_named_month_records_none() -> None:
    account = an_account()
    pay(account, 5)
    assert last(account).named_period == ""


def test_reversal_does_not_reopen_debts_paid_by_other_payments() -> None:
    account = an_account()
    name = pay(account, 50)
    bill(account, on=LATER, heating=50)
    bill(account, NOVEMBER, LATER, heating=40)
    pay(account, 40, on=LATER)
    account.reverse_payment(name, LATER, "x")
    assert last(account).reopened == (AllocatedPart(OCTOBER, "heating", 50),)
    assert account.open_items == {OCTOBER: {"heating": 50}}


def test_a_payment_undone_leaves_nothing_behind_that_could_be_given_back() -> None:
    account = an_account()
    bill(account, heating=100)
    first, second = pay(account, 50), pay(account, 50)
    account.reverse_payment(second, DAY, "x")
    adjust(account, on=LATER, heating=-100)
    assert (last(account).released[0].amount, last(account).advance) == (50, 50)
    account.reverse_payment(first, LATER, "x")
    assert (last(account).restored, last(account).advance_taken) == ((), 50)
    assert (account.open_items, sums(account)) == ({}, (0, 0, 0))


def test_a_waiver_replayed_in_effective_order_counts_for_a_reversal() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    account.write_off_penalty(100, LATER, "x")
    name = uuid4()
    account.post_payment(name, DAY, 0, 60)
    account.reverse_payment(name, LATER + timedelta(days=1), "x")
    *_, waiver, reversal = in_effective_order(account.id, account.pending)
    assert (waiver.advance, reversal.penalty_restored, reversal.advance_taken) == (60, 0, 60)


def test_replay_in_effective_order_keeps_reasons() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, heating=-5)
    name = pay(account, 10)
    account.reverse_payment(name, LATER, "refused by the bank")
    account.accrue_penalty(1, DAY, "rule-1")
    effective: list[Any] = in_effective_order(account.id, account.pending)
    reasons = [event.reason for event in effective if hasattr(event, "reason")]
    assert reasons == ["no hot water", "refused by the bank"]
    assert effective[0].account == account.number


def test_a_restored_account_is_the_account() -> None:
    account = an_account()
    bill(account, heating=100)
    again = Account.from_row(account.id, account.snapshot())
    assert (again.id, again.number, again.version) == (account.id, account.number, 2)


def test_the_id_of_a_stream_never_changes() -> None:
    assert str(account_id("0100000001")) == "e75e45a2-6a92-5771-a59a-a3ae381104cf"
    assert str(account_id("0100000001", "east")) == "4d19b2b0-21bc-5dfe-8858-72d8c995398e"


def test_an_account_that_does_not_exist_yet_has_nothing() -> None:
    account = Account(account_id("9"))
    assert account.snapshot() == {
        "number": "",
        "payer_kind": "",
        "version": 0,
        "last_bill": 0,
        "principal": 0,
        "penalty": 0,
        "advance": 0,
        "late_days": 0,
        "last_fact": "",
        "order_matters_on": "",
        "open_items": {},
        "due_dates": {},
        "charged_periods": [],
    }
    assert (account.opening, account.last_accrual) == ((), 0)


def test_a_line_of_a_bill_may_be_nothing() -> None:
    account = an_account()
    pay(account, 5)
    line = ChargeLine("heating", "Отопление", 0, 100, recalculation=-100)
    account.post_charges(OCTOBER, DAY, DAY, [line])
    assert (account.open_items, sums(account)) == ({}, (0, 0, 5))
