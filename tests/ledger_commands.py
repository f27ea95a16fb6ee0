"""Commands with which tests build the state of an account: a bill, an accrued penalty.

The product posts both in bulk; a test posts one at a time, through the same aggregate.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from services.ledger.domain.events import ChargeLine
from services.ledger.loading import load_account
from shared.eventstore import Session
from shared.money import Kopecks


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


def post_charges(session: Session, command: PostCharges) -> dict[str, Any]:
    """Post a month's bill to one account."""
    account = load_account(session, command.number)
    account.post_charges(command.period, command.effective_on, command.due_on, command.lines)
    return {"number": command.number, "version": account.version}


def accrue_penalty(session: Session, command: AccruePenalty) -> dict[str, Any]:
    """Add a penalty to one account."""
    account = load_account(session, command.number)
    account.accrue_penalty(command.amount, command.effective_on, command.rule)
    return {"number": command.number, "version": account.version}
