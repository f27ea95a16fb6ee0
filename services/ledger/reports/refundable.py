"""What is left of a payment, and so can be given back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.ledger.domain import Account
from services.ledger.penalties.law import law_in_force
from services.ledger.reports.statements import recorded_events
from shared.cooperation import cooperatively
from shared.eventstore import Session


def refundable(session: Session, payment_id: UUID) -> dict[str, Any]:
    """Return ``{accounts: [{account, left, advance, moved_from}]}`` where a payment is posted.

    ``left`` is what has neither gone back nor been reversed, ``advance`` how much of that lies as
    an advance: it can go back without anything being owed again. An account that it was moved from
    has nothing left of it.
    """
    posted = session.read.postings_of(payment_id)
    return {"accounts": [_left_on(session, payment_id, row["account"]) for row in posted]}


def _left_on(session: Session, payment_id: UUID, number: str) -> dict[str, Any]:
    events = recorded_events(session, number)
    account = Account(events[0].originator_id)
    for recorded in cooperatively(events):
        account.replay(recorded.event)
    account.law = law_in_force()
    left, advance = account.left_of(payment_id), 0
    if left:
        settled = account.settlement()
        advance = min(settled.ahead(payment_id), settled.advance)
    _, payment = account.posted(payment_id)
    return {
        "account": number,
        "left": left,
        "advance": advance,
        "moved_from": payment.moved_from or None,
    }
