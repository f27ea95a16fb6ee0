"""The use cases of the ledger: one function each, on a session."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import msgspec

from services.ledger.days import day_limits
from services.ledger.domain import Account
from services.ledger.domain.events import ServiceAmount, TakenElsewhere
from services.ledger.domain.validation import check_month
from services.ledger.loading import accounts_at_hand, load_account
from shared.eventstore import NeedsHistoryError, Session
from shared.money import Kopecks


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True):
    """Open an account with what is owed for each service when it is taken over."""

    number: str
    payer_kind: str
    opening: tuple[ServiceAmount, ...] = ()


class ChangePayerKind(msgspec.Struct, frozen=True, kw_only=True):
    """Take over another kind of payer from a day on."""

    number: str
    payer_kind: str
    effective_on: date


class PaidLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line of a payment for one account: principal and penalty apart.

    ``period`` is a month that the payer named (``2026-10``): it is paid before all others.
    """

    account: str
    amount: Kopecks
    penalty: Kopecks
    period: str | None = None


class PostPayment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Post a payment to all of its accounts: a captured one, or one ``taken`` by staff."""

    payment_id: UUID
    paid_on: date
    lines: tuple[PaidLine, ...]
    taken: TakenElsewhere | None = None


class RefundedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What went back of the line of a payment for one account."""

    account: str
    amount: Kopecks


class RefundPayment(msgspec.Struct, frozen=True, kw_only=True):
    """Take back, on each of its accounts, what went back of a payment on a day."""

    payment_id: UUID
    refund_id: UUID
    refunded_on: date
    lines: tuple[RefundedLine, ...]


def open_account(session: Session, command: OpenAccount) -> None:
    """Open an account; no effect on one that is open already."""
    account = load_account(session, command.number)
    if not account.version:
        account.open(command.number, command.payer_kind, session.today, command.opening)


def change_payer_kind(session: Session, command: ChangePayerKind) -> bool:
    """Take over another kind of payer; return False for the kind that the account has.

    A day in a closed month becomes the first day that is open: what was reported stays. Raises
    NotFound ``account_not_found``.
    """
    account = load_account(session, command.number)
    if account.version and account.payer_kind == command.payer_kind:
        return False
    closed = session.read.closed_through()
    first_open = date.min if closed is None else closed + timedelta(days=1)
    return account.change_payer_kind(command.payer_kind, max(command.effective_on, first_open))


def post_payment(session: Session, command: PostPayment) -> dict[str, Any]:
    """Post a payment to its accounts; no effect on those it is posted to already.

    Raises NotFound for an account that is not open, ValidationFailed for an invalid sum, month or
    day, Conflict for a payment that is posted with another sum or day; then nothing is posted to
    any.
    """
    day_limits().check_payment(command.paid_on, session.today)
    numbers = [line.account for line in command.lines]
    accounts = accounts_at_hand(session, numbers, command.payment_id)
    posted = []
    for line in command.lines:
        if line.period is not None:
            check_month(line.period)
        if _post_line(session, command, line, accounts[line.account]):
            posted.append(line.account)
    return {"payment_id": str(command.payment_id), "posted": posted}


def refund_payment(session: Session, command: RefundPayment) -> dict[str, Any]:
    """Take back what went back of a payment; return ``{refunded, without_effect}``: accounts.

    A payment that was moved is taken back where it is now. No effect on an account that knows the
    refund, or where staff had reversed the payment before: nothing of it is left there. A month
    that was closed meanwhile takes it, as it takes payments: the money did move on that day. Raises
    NotFound ``payment_not_posted`` and ``account_not_found``, Conflict ``refund_too_large``; then
    nothing is taken back of any.
    """
    day_limits().check_payment(command.refunded_on, session.today)
    refunded, without_effect = list[str](), list[str]()
    for line in command.lines:
        account = _where_it_is(session, command, line.account)
        done = account.refund_payment(
            command.payment_id, command.refund_id, line.amount, command.refunded_on
        )
        (refunded if done else without_effect).append(account.number)
    return {"refunded": refunded, "without_effect": without_effect}


def _where_it_is(session: Session, command: RefundPayment, number: str) -> Account:
    """Return the account that has a payment now, or that has had its refund."""
    account = load_account(session, number)
    while command.payment_id in account.moves and command.refund_id not in account.refunds:
        account = load_account(session, account.moves[command.payment_id])
    return account


def _post_line(session: Session, command: PostPayment, line: PaidLine, account: Account) -> bool:
    def post(account: Account) -> bool:
        return account.post_payment(
            command.payment_id,
            command.paid_on,
            line.amount,
            line.penalty,
            first=line.period,
            taken=command.taken,
        )

    try:
        return post(account)
    except NeedsHistoryError:
        if session.cursor is None:
            # A batch has rows alone: the group commit lets this command run by itself.
            raise
        return post(load_account(session, line.account))
