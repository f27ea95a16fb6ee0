"""Accruing penalties on an account: the worked example, day by day and through corrections."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import (
    ChargeLine,
    PaymentPosted,
    PenaltyAccrued,
    PenaltyCorrected,
    ServiceAmount,
)
from services.ledger.penalties import rules
from services.ledger.penalties.accrual import accrue, penalties
from services.ledger.penalties.law import PenaltyLaw
from services.ledger.penalties.rules import load_rules
from tests.unit.ledger.settled_debts import debts

RULES = load_rules(environ={})
SHIPPED_RULES = Path(rules.__file__).with_name("rules.yaml")
NUMBER = "0100000001"
BILLED, DUE = date(2026, 3, 31), date(2026, 4, 15)
JUNE, AUGUST = date(2026, 6, 20), date(2026, 8, 10)


class Book:
    """An account and its events, as a session would hold them."""

    def __init__(self, kind: str = "household") -> None:
        self.account = Account(account_id(NUMBER))
        self.account.open(NUMBER, kind, date(2026, 1, 1))

    @property
    def events(self) -> list[Any]:
        return list(self.account.pending)

    def bill(
        self, amount: int = 450_000, service: str = "heating", period: str = "2026-03"
    ) -> None:
        line = ChargeLine(service, service, amount, amount)
        self.account.post_charges(period, BILLED, DUE, [line])

    def pay(self, amount: int, on: date) -> UUID:
        payment_id = uuid4()
        self.account.post_payment(payment_id, on, amount, 0)
        return payment_id

    def accrue(self, on: date) -> int:
        return accrue(self.account, on, PenaltyLaw(RULES))

    def last(self) -> Any:
        return self.events[-1]


def test_the_worked_example_to_the_kopeck() -> None:
    book = Book()
    book.bill()
    book.pay(200_000, JUNE)
    book.pay(250_000, AUGUST)
    assert book.accrue(AUGUST) == 11_963
    assert book.account.penalty == 11_963
    assert [s.amount for s in book.last().segments] == [5_130, 1_900, 4_933]
    assert book.last().provisional is False
    assert book.last().rule == RULES.version


@pytest.mark.parametrize(
    ("on", "penalty"),
    [
        (date(2026, 5, 15), 0),
        (date(2026, 5, 16), 143),
        (date(2026, 7, 14), 8_550),
        (date(2026, 7, 15), 8_550 + 329),
    ],
)
def test_the_same_debt_unpaid(on: date, penalty: int) -> None:
    book = Book()
    book.bill()
    assert book.accrue(on) == penalty


@pytest.mark.parametrize(("kind", "penalty"), [("capital_repair", 9_168), ("organisation", 31_021)])
def test_other_payers(kind: str, penalty: int) -> None:
    book = Book(kind)
    book.bill()
    book.pay(200_000, JUNE)
    book.pay(250_000, AUGUST)
    assert book.accrue(AUGUST) == penalty


@pytest.mark.parametrize("kind", ["household", "organisation", "managing_company"])
def test_capital_repair_has_its_own_rule_for_every_payer(kind: str) -> None:
    book = Book(kind)
    book.bill(service="capital_repair")
    book.pay(200_000, JUNE)
    book.pay(250_000, AUGUST)
    assert book.accrue(AUGUST) == 9_168


def test_a_day_is_accrued_once_and_the_next_one_adds() -> None:
    book = Book()
    book.bill()
    first = book.accrue(date(2026, 6, 1))
    assert book.accrue(date(2026, 6, 1)) == 0
    second = book.accrue(date(2026, 6, 20))
    assert first + second == 5_130
    assert [type(event) for event in book.events[2:]] == [PenaltyAccrued, PenaltyAccrued]
    assert book.accrue(date(2026, 6, 2)) == 0  # a day that is accrued already


def test_a_payment_that_becomes_known_late_corrects_what_was_accrued() -> None:
    book = Book()
    book.bill()
    assert book.accrue(AUGUST) == 8_550 + 8_879
    assert book.last().provisional
    book.pay(200_000, JUNE)
    payment, correction = book.events[-2:]
    assert isinstance(payment, PaymentPosted)
    assert isinstance(correction, PenaltyCorrected)
    assert (correction.corrects, correction.amount) == (3, 11_963 - (8_550 + 8_879))
    assert correction.provisional
    book.pay(250_000, AUGUST)
    # The rate of today was assumed, and is that of the day of payment: nothing to correct.
    assert isinstance(book.last(), PaymentPosted)
    assert book.account.penalty == 11_963
    assert book.accrue(AUGUST) == 0


def test_a_penalty_that_was_paid_and_is_taken_back_becomes_an_advance() -> None:
    book = Book()
    book.bill()
    accrued = book.accrue(AUGUST)
    book.account.post_payment(uuid4(), date(2026, 4, 10), 450_000, accrued)
    assert book.account.penalty == 0
    book.accrue(AUGUST)
    assert (book.account.penalty, book.account.advance) == (0, accrued)


def test_a_reversed_payment_lets_the_penalty_run_again() -> None:
    book, unpaid = Book(), Book()
    for each in (book, unpaid):
        each.bill()
    payment_id = book.pay(450_000, date(2026, 4, 10))
    assert book.accrue(AUGUST) == 0
    book.account.reverse_payment(payment_id, AUGUST, "charged back")
    assert book.accrue(AUGUST) == unpaid.accrue(AUGUST) > 0


def test_a_recalculation_lowers_the_debt_from_its_beginning() -> None:
    book, smaller = Book(), Book()
    book.bill(450_000)
    smaller.bill(250_000)
    book.accrue(AUGUST)
    book.account.adjust_charges(
        uuid4(), "2026-03", AUGUST, [ServiceAmount("heating", -200_000)], "meter"
    )
    book.accrue(AUGUST)
    smaller.accrue(AUGUST)
    assert book.account.penalty == smaller.account.penalty


def test_an_addition_is_late_only_after_it_took_effect() -> None:
    book = Book()
    book.bill(100)
    book.pay(100, BILLED)
    book.account.adjust_charges(
        uuid4(), "2026-03", JUNE, [ServiceAmount("heating", 450_000)], "meter"
    )
    [debt] = [debt for debt in debts(book.events) if debt.due.amount == 450_000]
    assert debt.due.late_after == JUNE
    assert book.accrue(JUNE + timedelta(days=30)) == 0
    assert book.accrue(JUNE + timedelta(days=31)) == 143


def test_an_advance_pays_on_the_day_the_bill_takes_effect() -> None:
    book = Book()
    book.pay(450_000, date(2026, 2, 1))
    book.bill()
    assert book.accrue(AUGUST) == 0


def test_days_that_a_billing_centre_has_accrued_are_not_accrued_again() -> None:
    book = Book()
    book.bill()
    book.account.accrue_penalty(5_130, JUNE, "billing-centre")
    assert book.accrue(JUNE) == 0
    assert book.accrue(date(2026, 7, 14)) == 8_550 - 5_130


def test_rules_that_have_changed_since_correct_what_they_accrued(tmp_path: Path) -> None:
    stricter = tmp_path / "rules.yaml"
    text = SHIPPED_RULES.read_text("utf-8")
    stricter.write_text(text.replace("divisor: 300}", "divisor: 150}", 1), "utf-8")
    book = Book()
    book.bill()
    book.accrue(JUNE)
    changed = load_rules(stricter)
    assert accrue(book.account, JUNE, PenaltyLaw(changed)) == 5_130
    assert isinstance(book.last(), PenaltyCorrected)
    assert accrue(book.account, JUNE, PenaltyLaw(changed)) == 0


def test_no_penalty_on_a_penalty() -> None:
    book, never_accrued = Book(), Book()
    for each in (book, never_accrued):
        each.bill()
    book.accrue(JUNE)
    with_it, without = (
        sum(p.total for p in penalties(each.account, AUGUST, PenaltyLaw(RULES)))
        for each in (book, never_accrued)
    )
    assert with_it == without == 8_550 + 8_879


@settings(max_examples=60, deadline=None)
@given(
    days=st.lists(st.integers(1, 200), min_size=1, max_size=6),
    payments=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 300_000)), max_size=4),
    last=st.integers(200, 260),
)
def test_repeated_accruals_end_with_the_same_penalty(
    days: list[int], payments: list[tuple[int, int]], last: int
) -> None:
    """Accruals on any days between payments add up to one accrual of everything at the end."""
    often, once = Book(), Book()
    steps: list[tuple[int, int]] = sorted([(day, 0) for day in days] + payments)
    for book in (often, once):
        book.bill()
    for day, amount in steps:
        on = BILLED + timedelta(days=day)
        if amount:
            often.pay(amount, on)
            once.pay(amount, on)
        else:
            often.accrue(on)
    end = BILLED + timedelta(days=last)
    often.accrue(end)
    once.accrue(end)
    assert often.account.penalty == once.account.penalty
