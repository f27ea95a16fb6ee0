"""What staff and the reconciliation read of bank registers."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from shared.eventstore import Session
from shared.money import Kopecks


class RegisterPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment of a bank's file; `reason` is why it is in suspense."""

    payment_id: UUID
    bank: str
    file: str
    register_id: UUID
    row: int
    document: str
    paid_on: date
    amount: Kopecks
    fee: Kopecks
    account: str | None
    state: str
    reason: str | None
    ledger_position: int | None


class RegisterDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a later file that has another sum or account than the payment of its document."""

    payment_id: UUID
    file: str
    row: int
    document: str
    amount: Kopecks
    given: Kopecks
    account: str
    given_account: str


def register_payments(session: Session, day: date) -> list[RegisterPayment]:
    """Return the payments that banks took on a day, by bank, file and row."""
    return [msgspec.convert(row, RegisterPayment) for row in session.read.registers.of_day(day)]


def register_differences(session: Session, day: date) -> list[RegisterDifference]:
    """Return the refused rows whose documents are known otherwise, of the payments of a day."""
    rows = session.read.registers.differences(day)
    return [msgspec.convert(row, RegisterDifference) for row in rows]


def suspense(session: Session, after: int, limit: int) -> dict[str, Any]:
    """Return {payments, next}: those in suspense after a position of the log, oldest first."""
    rows = session.read.registers.suspended(after, limit + 1)
    page = rows[:limit]
    return {
        "payments": [_plain(msgspec.convert(row, RegisterPayment)) for row in page],
        "next": page[-1]["position"] if len(rows) > limit else None,
    }


def registers(session: Session, limit: int) -> dict[str, Any]:
    """Return {registers}, the newest first, with their totals and the states of their payments."""
    return {"registers": [_plain(row) for row in session.read.registers.registers(limit)]}


def _plain(found: Any) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain
