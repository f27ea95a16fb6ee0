"""A turnover report beside the books by double entry."""

from __future__ import annotations

from datetime import date

from services.ledger.domain import Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount
from services.ledger.reports.totals import TurnoverReport, turnover_of_account

NUMBER = "0100000001"


def account_with_a_bill() -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", date(2026, 1, 1), [ServiceAmount("heating", 500)])
    line = ChargeLine("heating", "Отопление", payable=1_000, charged=1_000)
    account.post_charges("2026-10", date(2026, 10, 31), date(2026, 11, 15), [line])
    return account


def report() -> TurnoverReport:
    account = account_with_a_bill()
    events = account.take_pending()
    return turnover_of_account(account.id, events, date(2026, 10, 1), date(2026, 10, 31))


def test_a_report_agrees_with_the_books() -> None:
    made = report()
    assert made.rows["heating"].opening == 500
    assert made.total.closing == 1_500
    assert list(made.differences()) == []


def test_a_report_that_does_not_add_up_has_differences() -> None:
    made = report()
    made.rows["heating"].paid += 1
    assert list(made.differences()) == [("heating", 1_499, 1_500), ("total", 1_499, 1_500)]
    made = report()
    made.books["receivable:water"] = 7
    assert list(made.differences()) == [("water", 0, 7), ("total", 1_500, 1_507)]
