"""The use cases of the ledger: one function each, upon a session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.checks import check_month
from services.ledger.domain import Account, account_id
from services.ledger.events import ChargeLine, ServiceAmount
from services.ledger.retelling import retold
from shared.errors import NotFound
from shared.eventstore import Session
from shared.money import Kopecks


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Open an account with what is owed for each service when it is taken over."""

    number: str
    payer_kind: str
    opening: tuple[ServiceAmount, ...] = ()


class PostCharges(msgspec.Struct, frozen=True, kw_only=True):
    """Post the bill of one month (``2026-10``)."""

    number: str
    period: str
    due_on: date
    effective_on: date
    lines: tuple[ChargeLine, ...]


class AccruePenalty(msgspec.Struct, frozen=True, kw_only=True):
    """Add a penalty that a named rule has produced."""

    number: str
    amount: Kopecks
    effective_on: date
    rule: str


class PaidLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a payment holds for one account: principal and penalty apart.

    ``period`` is a month that the payer named (``2026-10``): it is settled before all others.
    """

    account: str
    amount: Kopecks
    penalty: Kopecks
    period: str | None = None


class PostPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Post a captured payment to all of its accounts."""

    payment_id: UUID
    paid_on: date
    lines: tuple[PaidLine, ...]


def open_account(session: Session, command: OpenAccount) -> None:
    """Open an account; one that is open already stays as it is."""
    account = session.load(Account, account_id(command.number))
    if not account.version:
        account.open(command.number, command.payer_kind, session.today, command.opening)


def post_charges(session: Session, command: PostCharges) -> dict[str, Any]:
    """Post a month's bill to one account."""
    account = session.load(Account, account_id(command.number))
    account.post_charges(command.period, command.effective_on, command.due_on, command.lines)
    return {"number": command.number, "version": account.version}


def accrue_penalty(session: Session, command: AccruePenalty) -> dict[str, Any]:
    """Add a penalty to one account."""
    account = session.load(Account, account_id(command.number))
    account.accrue_penalty(command.amount, command.effective_on, command.rule)
    return {"number": command.number, "version": account.version}


def post_payment(session: Session, command: PostPayment) -> dict[str, Any]:
    """Post a payment to its accounts: each once, however often it is asked.

    Raises NotFound for an account that is not open, ValidationFailed for a sum or a month that
    cannot be; then nothing is posted to any.
    """
    posted = []
    for line in command.lines:
        if line.period is not None:
            check_month(line.period)
        account = session.load(Account, account_id(line.account))
        if account.post_payment(
            command.payment_id, command.paid_on, line.amount, line.penalty, first=line.period
        ):
            posted.append(line.account)
    return {"payment_id": str(command.payment_id), "posted": posted}


def balance(session: Session, number: str, as_of: str | None) -> dict[str, Any]:
    """Answer what an account owes now, or owed as of a past day or instant.

    ``as_of`` a date: by what had taken effect by the end of that day; an instant: by what had
    been recorded by then. Raises NotFound ``account_not_found``.
    """
    if as_of is None:
        row = session.read.balance(number)
        if row is None:
            raise _no_account(number)
        return _balance(row, as_of, _names(session, [number]))
    account = _account_as_of(session, number, as_of)
    return _balance(account.snapshot(), as_of, _names(session, [number]))


def balances(session: Session, numbers: Sequence[str]) -> dict[str, Any]:
    """Answer the balances of several accounts now, in the order asked; unknown ones left out."""
    rows = {row["number"]: row for row in session.read.balances(numbers)}
    names = _names(session, numbers)
    return {
        "balances": [_balance(rows[number], None, names) for number in numbers if number in rows]
    }


def _names(session: Session, numbers: Sequence[str]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = session.read.service_names(numbers)
    return names


def _account_as_of(session: Session, number: str, as_of: str) -> Account:
    account = Account(account_id(number))
    story = session.story(account.id)
    if len(as_of) == len("2026-10-31"):
        day = date.fromisoformat(as_of)
        past: list[Any] = [recorded.event for recorded in story]
        for event in retold(account.id, past):
            if event.effective_on > day:
                break
            account.replay(event)
    else:
        instant = datetime.fromisoformat(as_of)
        for recorded in story:
            if recorded.recorded_at <= instant:
                account.replay(recorded.event)
    if not account.version:
        raise _no_account(number)
    return account


def _balance(
    row: dict[str, Any], as_of: str | None, names: dict[str, dict[str, str]]
) -> dict[str, Any]:
    called = names.get(row["number"], {})
    services: dict[str, Kopecks] = {}
    for owed in row["open_items"].values():
        for service, amount in owed.items():
            services[service] = services.get(service, 0) + amount
    return {
        "number": row["number"],
        "as_of": as_of,
        "version": row["version"],
        "principal": row["principal"],
        "penalty": row["penalty"],
        "advance": row["advance"],
        "services": [
            {"service": service, "name": called.get(service, service), "amount": amount}
            for service, amount in sorted(services.items())
        ],
    }


def _no_account(number: str) -> NotFound:
    return NotFound("account_not_found", "There is no such account in the ledger.", account=number)
