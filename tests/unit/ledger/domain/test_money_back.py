"""Money back: payments of what is no longer owed, in the account and in the turnover."""

from __future__ import annotations

from uuid import uuid4

from ledger_steps import DAY, LATER, LATEST, OCTOBER, adjust, an_account, bill, last, pay, sums

from services.ledger.domain import Account
from services.ledger.domain.allocation import AllocatedPart
from services.ledger.domain.effective_order import in_effective_order
from services.ledger.reports.turnover import Row, Turnover


def test_only_what_was_paid_beyond_the_lowered_bill_is_given_back() -> None:
    account = an_account()
    bill(account, heating=100, water=50)
    name = pay(account, 90)  # 60 of heating, 30 of water
    adjust(account, on=LATER, heating=-70, water=-10)  # 40 of it and all 10 were open still
    # Of the 30 that are given back, 10 pay what is left of water.
    assert (last(account).advance, sums(account)) == (30, (0, 0, 20))
    assert last(account).allocation == (AllocatedPart(OCTOBER, "water", 10),)
    account.reverse_payment(name, LATER, "refused by the bank")
    assert last(account).restored == (
        AllocatedPart(OCTOBER, "heating", 30),
        AllocatedPart(OCTOBER, "water", 30),
    )
    assert last(account).advance_taken == 20
    assert last(account).reopened == (AllocatedPart(OCTOBER, "water", 10),)
    assert (account.open_items, sums(account)) == (
        {OCTOBER: {"heating": 30, "water": 40}},
        (70, 0, 0),
    )


def test_turnover_includes_penalty_given_back() -> None:
    account = an_account()
    account.accrue_penalty(100, DAY, "rule-1")
    account.write_off_penalty(100, LATER, "a court decision")
    account.post_payment(uuid4(), DAY, 0, 60)  # known only after the waiver
    *_, waiver = in_effective_order(account.id, account.pending)
    assert waiver.advance == 60
    again = Account(account.id)
    for event in in_effective_order(account.id, account.pending):
        again.replay(event)
    assert (sums(again), again.penalty_waived) == ((0, 0, 60), 100)
    turnover = Turnover(DAY, LATER)
    turnover.add(in_effective_order(account.id, account.pending))
    assert turnover.rows == {"penalty": Row(penalty=0, paid=0), "advance": Row(paid=60)}
    until = Turnover(DAY, DAY)
    until.add(in_effective_order(account.id, account.pending))
    assert until.rows == {"penalty": Row(penalty=100, paid=60), "advance": Row(paid=0)}


def test_the_last_payment_is_given_back_first() -> None:
    account = an_account()
    bill(account, heating=100)
    adjust(account, heating=50)
    refused = pay(account, 100)
    pay(account, 50)
    account.reverse_payment(refused, DAY, "refused by the bank")
    pay(account, 100, on=LATER)
    adjust(account, on=LATEST, heating=-100)
    [debt] = [debt for debt in account.settlement().debts if debt.paid_by_day()]
    assert debt.paid_by_day() == {DAY: 50}
