"""The steps of the tests of one account: opening it, billing, paying, correcting."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from services.ledger.domain import Account, account_id
from services.ledger.domain.allocation import Policy
from services.ledger.domain.events import ChargeLine, ServiceAmount
from tests.unit.ledger.penalty_corrections import correct_penalty

NUMBER = "0100000001"
DAY = date(2026, 11, 10)
LATER, EARLIER = DAY + timedelta(days=5), DAY - timedelta(days=5)
LATEST = DAY + timedelta(days=10)
OCTOBER, NOVEMBER = "2026-10", "2026-11"
HEATING_FIRST = Policy(name="heating-first", services="ranked", ranking=("heating",))
_numbers = count(1)


def an_account(*opening: ServiceAmount) -> Account:
    account = Account(account_id(NUMBER))
    account.open(NUMBER, "household", DAY, opening)
    return account


def opened_with(**sums: int) -> Account:
    return an_account(*(ServiceAmount(service, amount) for service, amount in sums.items()))


def new_id() -> UUID:
    """Return an id greater than all before: within a day, ids say what takes effect first."""
    return UUID(int=next(_numbers))


def bill(account: Account, period: str = OCTOBER, on: date = DAY, **sums: int) -> None:
    lines = [ChargeLine(service, service, amount, amount) for service, amount in sums.items()]
    account.post_charges(period, on, on, lines)


def adjust(account: Account, period: str = OCTOBER, on: date = DAY, **sums: int) -> UUID:
    name = new_id()
    lines = [ServiceAmount(service, amount) for service, amount in sums.items()]
    assert account.adjust_charges(name, period, on, lines, "no hot water")
    return name


def pay(
    account: Account, amount: int, penalty: int | None = 0, on: date = DAY, **named: Any
) -> UUID:
    name = new_id()
    assert account.post_payment(name, on, amount, penalty, **named)
    return name


def correct(account: Account, amount: int, on: date = DAY) -> None:
    correct_penalty(account, amount, on, "rule-1", "a payment came", through=on)


def last(account: Account) -> Any:
    return account.pending[-1]


def sums(account: Account) -> tuple[int, int, int]:
    return account.principal, account.penalty, account.advance
