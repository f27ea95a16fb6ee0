"""Events in the order of effect: what was recorded late is allocated as of its day."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest
from eventful_account import ID, NUMBER, OCTOBER, an_account, bill, day, eventful

from services.ledger.domain import Account, account_id
from services.ledger.domain.allocation import POLICIES, Policy
from services.ledger.domain.effective_order import by_effective_day, in_effective_order
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.penalties.accrual import accrue
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from tests.unit.ledger.penalty_corrections import correct_penalty

LAW = PenaltyLaw(load_rules(environ={}))


def test_events_of_one_day_keep_their_recorded_order() -> None:
    account = an_account("09-01")
    account.accrue_penalty(2, day("09-05"), "b")
    account.accrue_penalty(1, day("09-01"), "a")
    account.accrue_penalty(3, day("09-05"), "c")
    rules = [event.rule for event in by_effective_day(account.pending)[1:]]  # type: ignore[attr-defined]
    assert rules == ["a", "b", "c"]


def test_an_opening_balance_comes_before_all_other_events() -> None:
    account = an_account("09-01", ServiceAmount("heating", 100))
    account.accrue_penalty(1, day("08-01"), "a")
    opening, accrual = in_effective_order(ID, account.pending)
    assert opening.effective_on == accrual.effective_on == day("08-01")
    assert opening.opening == (ServiceAmount("heating", 100),)


def test_effective_order_of_a_new_account_is_its_opening() -> None:
    account = an_account()
    assert in_effective_order(ID, account.pending) == account.pending
    assert in_effective_order(ID, []) == []


def test_a_balance_taken_over_after_the_first_payments_was_owed_before_them() -> None:
    account = an_account("09-03")
    account.post_payment(uuid4(), day("08-20"), 150, 0)
    account.post_opening(day("09-10"), [ServiceAmount("heating", 100), ServiceAmount("lift", -5)])
    assert (account.principal, account.advance) == (0, 55)
    opened, opening, payment = in_effective_order(ID, account.pending)
    assert [event.effective_on for event in (opened, opening, payment)] == [day("08-20")] * 3
    # What was taken over for the lift pays 5 of heating, and the payment the rest.
    assert [part.amount for part in opening.allocation] == [5]
    assert ([part.amount for part in payment.allocation], payment.advance) == ([95], 55)
    assert (opened.account, opening.opening) == (NUMBER, account.opening)


def test_a_balance_taken_over_before_the_account_was_opened_here_keeps_its_day() -> None:
    account = an_account("09-03")
    account.post_opening(day("08-31"), [ServiceAmount("heating", 100)])
    bill(account, "09-30", heating=50)
    effective = in_effective_order(ID, account.pending)
    assert [event.effective_on for event in effective] == [day("08-31"), day("08-31"), day("09-30")]
    assert effective[2] is account.pending[2]


def test_events_recorded_in_order_are_returned_unchanged() -> None:
    events = eventful().pending
    effective = in_effective_order(ID, events)
    assert effective == events
    assert effective[2] is events[2]


def test_a_payment_known_late_pays_what_was_owed_on_its_day() -> None:
    account = an_account("09-01", ServiceAmount("heating", 100))
    bill(account, "10-31", heating=50)
    account.post_payment(uuid4(), day("10-15"), 120, 0)
    _, payment, posted = in_effective_order(ID, account.pending)
    assert (payment.advance, [part.amount for part in payment.allocation]) == (20, [100])
    assert [part.amount for part in posted.allocation] == [20]


def test_a_payment_is_replayed_by_the_policy_that_posted_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    newest = Policy(name="newest", periods="newest_first")
    account = an_account("09-01", ServiceAmount("heating", 100))
    account.accrue_penalty(9, day("10-31"), "rule-1")
    bill(account, "10-31", heating=50)
    account.post_payment(uuid4(), day("11-05"), 50, None, first="2026-09", policy=newest)
    account.post_payment(uuid4(), day("11-04"), 1, 0)
    monkeypatch.setitem(POLICIES, newest.name, newest)
    payment = in_effective_order(ID, account.pending)[-1]
    assert [(part.period, part.amount) for part in payment.allocation] == [(OCTOBER, 50)]
    assert (payment.penalty_named, payment.named_period) == (False, "2026-09")
    # A policy that is known no more: by the one that is in force.
    monkeypatch.delitem(POLICIES, newest.name)
    payment = in_effective_order(ID, account.pending)[-1]
    assert [(part.period, part.amount) for part in payment.allocation] == [("0001-01", 50)]


def test_a_waiver_of_a_penalty_paid_before_gives_it_back() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(100, day("10-05"), "x")
    account.post_payment(uuid4(), day("10-03"), 0, 60)
    *_, payment, waiver = in_effective_order(ID, account.pending)
    assert (payment.penalty_allocated, payment.advance) == (60, 0)
    assert (waiver.amount, waiver.advance) == (100, 60)


def test_a_correction_of_a_penalty_paid_before_gives_it_back() -> None:
    account = an_account()
    account.accrue_penalty(100, day("10-01"), "rule-1")
    account.write_off_penalty(30, day("10-02"), "x")
    correct_penalty(account, -90, day("10-05"), "rule-1", "x", through=day("10-05"))
    account.post_payment(uuid4(), day("10-03"), 0, 60)
    *_, correction = in_effective_order(ID, account.pending)
    assert (correction.amount, correction.waived, correction.advance) == (-90, 20, 60)


def test_corrections_in_effective_order_name_what_they_correct_by_its_version_in_the_log() -> None:
    account = eventful()
    account.accrue_penalty(1, day("08-01"), "late news")
    effective = in_effective_order(ID, account.pending)
    assert [type(event).__name__ for event in effective].count("PaymentReversed") == 1
    assert [event.effective_on for event in effective] == sorted(
        event.effective_on for event in effective
    )
    by_version = dict(enumerate(account.pending, 1))
    reversal = next(event for event in effective if type(event).__name__ == "PaymentReversed")
    assert by_version[reversal.corrects].payment_id == reversal.payment_id
    adjustment = next(event for event in effective if type(event).__name__ == "ChargesAdjusted")
    assert by_version[adjustment.corrects].period == adjustment.period


def test_a_lower_rate_gives_back_between_two_facts_in_the_order_of_effect_too() -> None:
    account = Account(account_id("1"))
    account.law, account.today = LAW, date(2020, 2, 12)
    account.open("1", "organisation", date(2019, 9, 1))
    for period, on in (("2019-10", date(2019, 10, 20)), ("2019-09", date(2019, 10, 19))):
        line = ChargeLine("heating", "heating", 10_000_00, 10_000_00)
        account.post_charges(period, on, date(2019, 10, 31), [line])
    account.post_payment(uuid4(), date(2020, 2, 9), 0, account.penalty_due(date(2020, 2, 9)))
    assert accrue(account, date(2020, 2, 12), LAW) < 0
    again = Account(account.id)
    for event in in_effective_order(account.id, account.pending, LAW):
        again.replay(event)
    assert again.open_items == account.open_items
    assert (again.penalty, again.advance) == (account.penalty, account.advance)
