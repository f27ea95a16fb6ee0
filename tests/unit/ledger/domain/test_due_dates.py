"""The due dates of open periods are kept in the row of the read model."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.ledger.domain import OPENING_PERIOD, Account, account_id
from services.ledger.domain.events import ChargeLine, ServiceAmount

NUMBER = "0100000001"


def account_with_a_bill() -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", date(2026, 1, 1), [ServiceAmount("heating", 500)])
    line = ChargeLine("heating", "Отопление", payable=1_000, charged=1_000)
    account.post_charges("2026-10", date(2026, 10, 31), date(2026, 11, 15), [line])
    return account


def test_due_dates_of_open_periods_survive_the_row_of_the_read_model() -> None:
    account = account_with_a_bill()
    row = account.snapshot()
    assert row["due_dates"] == {OPENING_PERIOD: "2026-01-01", "2026-10": "2026-11-15"}
    assert Account.from_row(account.id, row).snapshot() == row
    account.post_payment(UUID(int=1), date(2026, 11, 1), 500, 0)
    assert account.snapshot()["due_dates"] == {"2026-10": "2026-11-15"}
    account.reverse_payment(UUID(int=1), date(2026, 11, 2), "chargeback")
    assert account.snapshot()["due_dates"] == row["due_dates"]
