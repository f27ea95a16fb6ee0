"""What the help desk asks of a line of a bill that a person disputes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ledger.domain import account_id
from services.ledger.domain.tenures import own_bills
from shared.eventstore import Session


def is_billed(session: Session, account: str, period: str, service: str) -> bool:
    """Return whether the bill of a month has a line for a service."""
    history = session.history(account_id(account))
    bill = own_bills([recorded.event for recorded in history]).get(period)
    return bill is not None and any(line.service == service for line in bill.lines)


def adjusts(session: Session, proposal_id: UUID, account: str, period: str, service: str) -> bool:
    """Return whether a proposal adjusts this line, whatever became of it."""
    correction: dict[str, Any] = (session.read.proposal(proposal_id) or {}).get("correction") or {}
    named = (correction.get("type"), correction.get("account"), correction.get("period"))
    services = {line["service"] for line in correction.get("lines", ())}
    return named == ("adjust_charges", account, period) and service in services
